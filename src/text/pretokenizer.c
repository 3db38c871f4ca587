#include "text/pretokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/utf8.h"

/* ------------------------------------------------------------ the patterns
 *
 * They come from the tokenizer.json of the models that the names stand for, as far as llama.cpp follows those
 * (llm_tokenizer_bpe in src/llama-vocab.cpp, unicode.cpp), for the tokens must be the same as there:
 * - Cased letters outside of ASCII count as both upper and lower case.
 * - \d is ASCII; white space is Unicode's White_Space (PCRE2's \s also takes U+180E).
 * - What begins a match of "\s+" before a word and is left over becomes a word of its own. */

#define SPACE "\\t-\\r\\x{85}\\p{Z}" /* inside brackets */
#define BLANKS "[" SPACE "]+(?![^" SPACE "])" /* white space up to the last one before a word */
#define NEWLINES "[" SPACE "]*[\\r\\n]+"
#define OTHERS " ?[^" SPACE "\\p{L}\\p{N}]+"
#define CONTRACTION "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"
#define LEAD "[^\\r\\n\\p{L}\\p{N}]?" /* one sign that sticks to the front of a word */
#define UPPER "[^\\P{L}a-z]"
#define LOWER "[^\\P{L}A-Z]"
#define UPPER_MARK "(?:[^\\P{L}a-z]|\\p{M})"
#define LOWER_MARK "(?:[^\\P{L}A-Z]|\\p{M})"
#define ASCII_SIGN "[!-/:-@\\[-`{-~]"

#define GPT2 "'(?:[stmd]|re|ve|ll)| ?\\p{L}+| ?\\p{N}+|" OTHERS "|" BLANKS
#define TAIL "|" BLANKS "|[" SPACE "]+"
/* Words as in Llama 3, with so many digits in a row. */
#define LLAMA3(digits) CONTRACTION "|" LEAD "\\p{L}+|" digits "|" OTHERS "[\\r\\n]*|" NEWLINES TAIL
#define CASED(upper, lower, contraction, digits)                                                            \
    LEAD upper "*" lower "+" contraction "|" LEAD upper "+" lower "*" contraction "|" digits "|" OTHERS     \
         "[\\r\\n/]*|" NEWLINES TAIL
#define CJK "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{30FF}]+"
/* U+0800 to U+9FA5 and Hangul, without white space. */
#define EAST_ASIAN                                                                                          \
    "[\\x{800}-\\x{167F}\\x{1681}-\\x{1FFF}\\x{200B}-\\x{2027}\\x{202A}-\\x{202E}\\x{2030}-\\x{205E}"       \
    "\\x{2060}-\\x{2FFF}\\x{3001}-\\x{9FA5}\\x{AC00}-\\x{D7FF}]+"
#define DEEPSEEK3(after)                                                                                    \
    ASCII_SIGN "[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+" after TAIL
#define BLOOM " ?[^(" SPACE "|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{964}\\x{6D4}\\x{60C})]+"
/* Digits in threes from the right; what stands before them stays with the first. Behind a group of a number the rest
 * of it comes in threes, which saves counting it again and again. */
#define THREES "\\G(?<=\\p{N})\\p{N}{3}|\\G\\P{N}*+\\p{N}{1,3}(?=(?:\\p{N}{3})*+(?!\\p{N}))"
#define ALIGNED "(?=(?:[0-9]{3})*+(?![0-9]))" /* what is left of a number comes in threes */
#define HAN                                                                                                 \
    "\\x{4E00}-\\x{9FFF}\\x{3400}-\\x{4DBF}\\x{F900}-\\x{FAFF}\\x{20000}-\\x{2A6DF}\\x{2A700}-\\x{2EBEF}"   \
    "\\x{2F800}-\\x{2FA1F}"
/* Cased letters of Unicode, as DeepSeek's tokenizer.json lists them. */
#define CASED_LETTERS                                                                                       \
    "A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{293}"         \
    "\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}\\x{386}"                   \
    "\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}"         \
    "\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}"         \
    "\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}"       \
    "\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}"        \
    "\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}"        \
    "\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}"       \
    "\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}"         \
    "\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}"                  \
    "\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}"                  \
    "\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}"        \
    "\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}"       \
    "\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}"                      \
    "\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}"                  \
    "\\x{1E900}-\\x{1E943}"

static const struct pretokenizer_traits table[] = {
    {"default", {"[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
    {"gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert jina-v1-en jina-v2-code "
     "roberta-bpe mpt olmo jais trillion granite-docling exaone4", {GPT2}},
    {"smollm starcoder refact command-r codeshell exaone minerva-7b mellum2", {"\\p{N}", GPT2}},
    {"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano", {LLAMA3("\\p{N}{1,3}")},
     .whole_words = true, .adds_bos = true},
    {"dbrx smaug-bpe", {LLAMA3("\\p{N}{1,3}")}},
    {"glm4 chatglm-bpe", {LLAMA3("\\p{N}{1,3}")}, .no_bos = true},
    {"minicpm5", {"\\p{N}{1,3}", LLAMA3("\\p{N}+")}, .whole_words = true},
    {"qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2", {LLAMA3("\\p{N}")}},
    {"qwen35", {CONTRACTION "|" LEAD "[\\p{L}\\p{M}]+|\\p{N}| ?[^" SPACE "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" NEWLINES
                TAIL}},
    {"ufakzeka", {LEAD "\\p{L}+|\\p{N}|" OTHERS "[\\r\\n]*|" NEWLINES TAIL}},
    {"laguna", {"[^\\n]+|\\n+", LLAMA3("\\p{N}")}},
    {"seed-coder", {CONTRACTION "|" LEAD "\\p{L}+|\\p{N}| ?[^" SPACE "\\p{L}\\p{N}\\r\\n]+|" NEWLINES TAIL}},
    {"bailingmoe bailingmoe2 llada-moe",
     {CONTRACTION "|" LEAD "\\p{L}+|\\p{N}|" OTHERS "[\\r\\n]*|[" SPACE "]*[\\r\\n]" TAIL}},
    {"jais-2", {CONTRACTION "|" LEAD "\\p{L}+|\\p{N}{1,3}|" OTHERS "[\\r\\n]*|" NEWLINES
                "|(?:[" SPACE "]{512}|[" SPACE "]{256}|[" SPACE "]{128}|[" SPACE "]{64}|[" SPACE "]{32}|[" SPACE
                "]{16}|[" SPACE "]{8}|[" SPACE "]{4}|[" SPACE "]{1,2})(?![^" SPACE "])|[" SPACE "]"}},
    {"exaone-moe", {CONTRACTION "|" LEAD "(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}|" OTHERS "[\\r\\n/]?|[" SPACE
                    "]*[\\r\\n]" TAIL}},
    {"tekken", {CASED(UPPER, LOWER, "", "\\p{N}")}, .whole_words = true, .adds_bos = true},
    {"gpt-4o llama4 kanana2 talkie minimax-m2", {CASED(UPPER, LOWER, "(?:" CONTRACTION ")?", "\\p{N}{1,3}")}},
    {"granite-embed-multi-97m", {CASED(UPPER_MARK, LOWER_MARK, "(?:" CONTRACTION ")?", "\\p{N}{1,3}")},
     .whole_words = true},
    {"tiny_aya cohere2moe", {THREES,
                             CASED("[\\p{L}\\p{M}]", "[\\p{L}\\p{M}]", "(?:" CONTRACTION ")?", "\\p{N}{1,3}")}},
    {"youtu", {"[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+|"
               "[\\x{FF01}\\x{2026}\\x{201C}\\x{201D}\\x{2018}\\x{2019}\\x{2014}"
               "\\x{FF1A}\\x{FF1B}\\x{FF0C}\\x{3001}-\\x{303F}\\x{FE30}-\\x{FE4F}]+|[\\x{3105}-\\x{312F}]+|" CJK,
               CASED("[\\p{L}\\p{M}]", "[\\p{L}\\p{M}]", "(?:" CONTRACTION ")?", "\\p{N}")}, .whole_words = true},
    {"deepseek-llm", {"[\\r\\n]", "[" SPACE "]?[" CASED_LETTERS "]+",
                      "[" SPACE "]?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}"
                      "\\x{3001}\\x{3002}]+",
                      "[" SPACE "]+$", EAST_ASIAN, "\\p{N}+"}},
    {"deepseek-coder", {"[\\r\\n]", "[" SPACE "]?\\p{L}+", "[" SPACE "]?\\p{P}+",
                        EAST_ASIAN, "\\p{N}"}},
    {"deepseek-v3 hunyuan-dense joyai-llm hy_v4", {"\\p{N}{1,3}", CJK, DEEPSEEK3("[\\r\\n]*|" NEWLINES)}},
    {"spark2_5", {"\\p{N}{1,3}", CJK, DEEPSEEK3("|[\\r\\n]"), "\\p{N}"}},
    {"afmoe", {THREES,
               "[\\x{4E00}-\\x{9FFF}\\x{3400}-\\x{4DBF}\\x{8C48}-\\x{FAFF}\\x{3040}-\\x{30FF}\\x{FF65}-\\x{FF9F}"
               "\\x{2F00}-\\x{2FDF}\\x{E40}-\\x{EFF}\\x{1780}-\\x{17FF}\\x{1000}-\\x{109F}\\x{AA60}-\\x{AA7F}"
               "\\x{A9E0}-\\x{A9FF}\\x{AC00}-\\x{D7AF}\\x{1100}-\\x{11FF}]+", DEEPSEEK3("[\\r\\n]*|" NEWLINES)}},
    {"kimi-k2", {"[" HAN "]+|" LEAD "[^\\P{L}" HAN "]+(?:" CONTRACTION ")?|\\p{N}{1,3}|" OTHERS "[\\r\\n]*|" NEWLINES
                 TAIL}},
    {"falcon", {"[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"}},
    {"poro-chat bloom gpt3-finnish", {BLOOM}},
    {"viking", {BLOOM, "\\p{N}"}},
    {"superbpe", {"\\p{N}+", "(?:\\G(?<=[0-9])[0-9]{3}|[0-9]{3}" ALIGNED ")(?:[^0-9]++(?:[0-9]{1,2}" ALIGNED ")?)*+"}},
    {"chameleon", {"<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z", "[\\t\\n]|    |  ", "\\p{N}",
                   "[\\p{P}!-/:-@\\[-`{-~]", GPT2},
     .adds_bos = true},
};

static bool lists(const char *names, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = names; n && (at = strstr(at, name)); at += n)
        if ((at == names || at[-1] == ' ') && (at[n] == 0 || at[n] == ' '))
            return true;
    return false;
}

const struct pretokenizer_traits *pretokenizer_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(table); i++)
        if (lists(table[i].names, name))
            return &table[i];
    return NULL;
}

char *pretokenizer_names(void)
{
    struct str s = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(table); i++)
        str_addf(&s, "%s%s", i ? " " : "", table[i].names);
    return str_take(&s);
}

int pretokenizer_unknown(const char *where, const char *name, int code, struct error *e)
{
    char *known = pretokenizer_names();
    error_set(e, code, "%s: unknown pre-tokenizer '%s'; name one that cuts words alike with --pre; known are %s", where,
              name, known);
    free(known);
    return code;
}

/* -------------------------------------------------------------- stand-ins
 *
 * PCRE2 knows the Unicode of its day, and no surrogates. So that words do not depend on its version, these code points
 * are matched as an older one of the same category and length in UTF-8: up to Unicode 15.1, as llama.cpp has them, and
 * up to 16.0, as the tokenizers library has them (Oniguruma 6.9.10). */

struct stand_in {
    struct utf8_range of;
    uint32_t as;
};

static const struct stand_in of_unicode_15[] = {
    {{0x00CF3, 0x00CF3}, 0x00903}, {{0x00ECE, 0x00ECE}, 0x00CBC}, {{0x02FFC, 0x02FFF}, 0x02195},
    {{0x031EF, 0x031EF}, 0x02195}, {{0x0D800, 0x0DFFF}, 0x0E000}, {{0x10EFD, 0x10EFF}, 0x10A01},
    {{0x1123F, 0x11240}, 0x10300}, {{0x11241, 0x11241}, 0x10A01}, {{0x11B00, 0x11B09}, 0x10100},
    {{0x11F00, 0x11F01}, 0x10A01}, {{0x11F02, 0x11F02}, 0x10300}, {{0x11F03, 0x11F03}, 0x11000},
    {{0x11F04, 0x11F10}, 0x10300}, {{0x11F12, 0x11F33}, 0x10300}, {{0x11F34, 0x11F35}, 0x11000},
    {{0x11F36, 0x11F3A}, 0x10A01}, {{0x11F3E, 0x11F3F}, 0x11000}, {{0x11F40, 0x11F40}, 0x10A01},
    {{0x11F41, 0x11F41}, 0x11000}, {{0x11F42, 0x11F42}, 0x10A01}, {{0x11F43, 0x11F4F}, 0x10100},
    {{0x11F50, 0x11F59}, 0x1D7CE}, {{0x1342F, 0x1342F}, 0x10300}, {{0x13440, 0x13440}, 0x10A01},
    {{0x13441, 0x13446}, 0x10300}, {{0x13447, 0x13455}, 0x10A01}, {{0x1B132, 0x1B132}, 0x10300},
    {{0x1B155, 0x1B155}, 0x10300}, {{0x1D2C0, 0x1D2D3}, 0x10107}, {{0x1DF25, 0x1DF2A}, 0x10428},
    {{0x1E030, 0x1E06D}, 0x10780}, {{0x1E08F, 0x1E08F}, 0x10A01}, {{0x1E4D0, 0x1E4EA}, 0x10300},
    {{0x1E4EB, 0x1E4EB}, 0x10780}, {{0x1E4EC, 0x1E4EF}, 0x10A01}, {{0x1E4F0, 0x1E4F9}, 0x1D7CE},
    {{0x1F6DC, 0x1F6DC}, 0x1F600}, {{0x1F774, 0x1F776}, 0x1F600}, {{0x1F77B, 0x1F77F}, 0x1F600},
    {{0x1F7D9, 0x1F7D9}, 0x1F600}, {{0x1FA75, 0x1FA77}, 0x1F600}, {{0x1FA87, 0x1FA88}, 0x1F600},
    {{0x1FAAD, 0x1FAAF}, 0x1F600}, {{0x1FABB, 0x1FABD}, 0x1F600}, {{0x1FABF, 0x1FABF}, 0x1F600},
    {{0x1FACE, 0x1FACF}, 0x1F600}, {{0x1FADA, 0x1FADB}, 0x1F600}, {{0x1FAE8, 0x1FAE8}, 0x1F600},
    {{0x1FAF7, 0x1FAF8}, 0x1F600}, {{0x2B739, 0x2B739}, 0x10300}, {{0x2EBF0, 0x2EE5D}, 0x10300},
    {{0x31350, 0x323AF}, 0x10300},
};

static const struct stand_in of_unicode_16[] = {
    {{0x00897, 0x00897}, 0x00CBC}, {{0x01B4E, 0x01B4F}, 0x00964}, {{0x01B7F, 0x01B7F}, 0x00964},
    {{0x01C89, 0x01C89}, 0x01E00}, {{0x01C8A, 0x01C8A}, 0x01E01}, {{0x02427, 0x02429}, 0x02195},
    {{0x031E4, 0x031E5}, 0x02195}, {{0x0A7CB, 0x0A7CC}, 0x01E00}, {{0x0A7CD, 0x0A7CD}, 0x01E01},
    {{0x0A7DA, 0x0A7DA}, 0x01E00}, {{0x0A7DB, 0x0A7DB}, 0x01E01}, {{0x0A7DC, 0x0A7DC}, 0x01E00},
    {{0x105C0, 0x105F3}, 0x10300}, {{0x10D40, 0x10D49}, 0x1D7CE}, {{0x10D4A, 0x10D4D}, 0x10300},
    {{0x10D4E, 0x10D4E}, 0x10780}, {{0x10D4F, 0x10D4F}, 0x10300}, {{0x10D50, 0x10D65}, 0x10400},
    {{0x10D69, 0x10D6D}, 0x10A01}, {{0x10D6E, 0x10D6E}, 0x10EAD}, {{0x10D6F, 0x10D6F}, 0x10780},
    {{0x10D70, 0x10D85}, 0x10428}, {{0x10D8E, 0x10D8F}, 0x1D6C1}, {{0x10EC2, 0x10EC4}, 0x10300},
    {{0x10EFC, 0x10EFC}, 0x10A01}, {{0x11380, 0x11389}, 0x10300}, {{0x1138B, 0x1138B}, 0x10300},
    {{0x1138E, 0x1138E}, 0x10300}, {{0x11390, 0x113B5}, 0x10300}, {{0x113B7, 0x113B7}, 0x10300},
    {{0x113B8, 0x113BA}, 0x11000}, {{0x113BB, 0x113C0}, 0x10A01}, {{0x113C2, 0x113C2}, 0x11000},
    {{0x113C5, 0x113C5}, 0x11000}, {{0x113C7, 0x113CA}, 0x11000}, {{0x113CC, 0x113CD}, 0x11000},
    {{0x113CE, 0x113CE}, 0x10A01}, {{0x113CF, 0x113CF}, 0x11000}, {{0x113D0, 0x113D0}, 0x10A01},
    {{0x113D1, 0x113D1}, 0x10300}, {{0x113D2, 0x113D2}, 0x10A01}, {{0x113D3, 0x113D3}, 0x10300},
    {{0x113D4, 0x113D5}, 0x10100}, {{0x113D7, 0x113D8}, 0x10100}, {{0x113E1, 0x113E2}, 0x10A01},
    {{0x116D0, 0x116E3}, 0x1D7CE}, {{0x11BC0, 0x11BE0}, 0x10300}, {{0x11BE1, 0x11BE1}, 0x10100},
    {{0x11BF0, 0x11BF9}, 0x1D7CE}, {{0x11F5A, 0x11F5A}, 0x10A01}, {{0x13439, 0x1343F}, 0x110BD},
    {{0x13460, 0x143FA}, 0x10300}, {{0x16100, 0x1611D}, 0x10300}, {{0x1611E, 0x16129}, 0x10A01},
    {{0x1612A, 0x1612C}, 0x11000}, {{0x1612D, 0x1612F}, 0x10A01}, {{0x16130, 0x16139}, 0x1D7CE},
    {{0x16D40, 0x16D42}, 0x10780}, {{0x16D43, 0x16D6A}, 0x10300}, {{0x16D6B, 0x16D6C}, 0x10780},
    {{0x16D6D, 0x16D6F}, 0x10100}, {{0x16D70, 0x16D79}, 0x1D7CE}, {{0x18CFF, 0x18CFF}, 0x10300},
    {{0x1CC00, 0x1CCEF}, 0x1F600}, {{0x1CCF0, 0x1CCF9}, 0x1D7CE}, {{0x1CD00, 0x1CEB3}, 0x1F600},
    {{0x1E5D0, 0x1E5ED}, 0x10300}, {{0x1E5EE, 0x1E5EF}, 0x10A01}, {{0x1E5F0, 0x1E5F0}, 0x10300},
    {{0x1E5F1, 0x1E5FA}, 0x1D7CE}, {{0x1E5FF, 0x1E5FF}, 0x10100}, {{0x1F8B2, 0x1F8BB}, 0x1F600},
    {{0x1F8C0, 0x1F8C1}, 0x1F600}, {{0x1FA89, 0x1FA89}, 0x1F600}, {{0x1FA8F, 0x1FA8F}, 0x1F600},
    {{0x1FABE, 0x1FABE}, 0x1F600}, {{0x1FAC6, 0x1FAC6}, 0x1F600}, {{0x1FADC, 0x1FADC}, 0x1F600},
    {{0x1FADF, 0x1FADF}, 0x1F600}, {{0x1FAE9, 0x1FAE9}, 0x1F600}, {{0x1FBCB, 0x1FBEF}, 0x1F600},
};

/* What to match instead of `c`; 0: itself. */
static uint32_t stand_in(const struct stand_in *rows, size_t count, uint32_t c)
{
    const struct stand_in *row = utf8_range_of(c, rows, count, sizeof *rows);
    return row ? row->as : 0;
}

/* The text as PCRE2 gets to see it: `text` itself, or a copy in *copy. */
static const char *matched_text(const char *text, size_t length, bool unicode_16, char **copy)
{
    *copy = NULL;
    for (size_t at = 0, from = 0; at < length; from = at) {
        if ((unsigned char)text[at] < 0xE0) {
            at++;
            continue;
        }
        uint32_t c = utf8_next(text, length, &at), as = stand_in(of_unicode_15, ARRAY_LENGTH(of_unicode_15), c);
        if (!as && unicode_16)
            as = stand_in(of_unicode_16, ARRAY_LENGTH(of_unicode_16), c);
        if (as && !*copy)
            *copy = memcpy(xmalloc(length), text, length);
        if (as)
            utf8_put(*copy + from, as);
    }
    return *copy ? *copy : text;
}

/* ------------------------------------------------------------- compiling */

enum { PATTERNS_MOST = ARRAY_LENGTH(table[0].patterns) };

struct pretokenizer {
    pcre2_code *codes[PATTERNS_MOST];
    int count;
    bool unicode_16; /* the library's Unicode, not llama.cpp's */
};

static int compile(pcre2_code **out, const char *pattern, struct error *e)
{
    static const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_NO_AUTO_CAPTURE;
    PCRE2_SIZE at;
    int code;
    *out = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &code, &at, NULL);
    if (!*out) {
        PCRE2_UCHAR why[128];
        pcre2_get_error_message(code, why, sizeof why);
        return error_set(e, ERROR_FAILED, "pre-tokenizer pattern '%s', character %zu: %s", pattern, (size_t)at,
                         (char *)why);
    }
    pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE); /* where there is no JIT, matching is slower but the same */
    return 0;
}

static int open_all(struct pretokenizer **out, const char *const *patterns, int count, struct error *e)
{
    struct pretokenizer *p = xcalloc(1, sizeof *p);
    int rc = 0;
    for (; !rc && p->count < count; p->count += !rc)
        rc = compile(&p->codes[p->count], patterns[p->count], e);
    *out = rc ? NULL : p;
    if (rc)
        pretokenizer_free(p);
    return rc;
}

int pretokenizer_open(struct pretokenizer **out, const struct pretokenizer_traits *traits, struct error *e)
{
    int count = 0;
    while (count < PATTERNS_MOST && traits->patterns[count])
        count++;
    return open_all(out, traits->patterns, count, e);
}

/* Oniguruma's \s is Unicode's White_Space, with and without brackets. */
static char *translated(const char *pattern)
{
    struct str s = {0};
    bool inside = false;
    for (; *pattern; pattern++) {
        if (*pattern == '\\' && pattern[1] == 's' && ++pattern) {
            str_add(&s, inside ? SPACE : "[" SPACE "]");
        } else if (*pattern == '\\' && pattern[1] == 'S' && !inside && ++pattern) {
            str_add(&s, "[^" SPACE "]");
        } else if (*pattern == '\\' && pattern[1]) {
            str_add_bytes(&s, pattern++, 2);
        } else {
            inside = *pattern == '[' || (inside && *pattern != ']');
            str_add_char(&s, *pattern);
        }
    }
    return str_take(&s);
}

int pretokenizer_open_patterns(struct pretokenizer **out, const char *const *patterns, int count, struct error *e)
{
    char *own[PATTERNS_MOST] = {0};
    int rc, n = 0;
    *out = NULL;
    if (count > PATTERNS_MOST)
        return error_set(e, ERROR_FAILED, "a pre-tokenizer of %d steps: at most %d are known", count, PATTERNS_MOST);
    for (; n < count; n++)
        own[n] = translated(patterns[n]);
    rc = open_all(out, (const char *const *)own, count, e);
    if (!rc)
        (*out)->unicode_16 = true;
    while (n > 0)
        free(own[--n]);
    return rc;
}

void pretokenizer_free(struct pretokenizer *p)
{
    for (int i = 0; p && i < p->count; i++)
        pcre2_code_free(p->codes[i]);
    free(p);
}

/* -------------------------------------------------------------- splitting */

struct split {
    const struct pretokenizer *p;
    const char *text, *shown; /* what is cut, and what is matched: the same but for stand-ins */
    pcre2_match_data *found;
    pcre2_match_context *context;
    void (*word)(void *user, const char *text, size_t length);
    void *user;
};

/* The next match at or after `at`. Where the JIT's stack does not suffice, the interpreter goes on from the heap. */
static bool next_match(const struct split *s, int level, size_t start, size_t length, size_t at, size_t *from,
                       size_t *to)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)s->shown + start;
    PCRE2_SIZE *ends = pcre2_get_ovector_pointer(s->found);
    const pcre2_code *code = s->p->codes[level];
    int rc = pcre2_match(code, subject, length, at, PCRE2_NO_UTF_CHECK, s->found, s->context);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
        rc = pcre2_match(code, subject, length, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, s->found, s->context);
    *from = rc < 0 ? length : ends[0];
    *to = rc < 0 ? length : ends[1];
    return rc >= 0;
}

/* Cuts the `length` bytes from `start` on with the patterns from `level` on. */
static void split_level(const struct split *s, int level, size_t start, size_t length)
{
    size_t done = 0, at = 0, from, to;
    if (level == s->p->count) {
        s->word(s->user, s->text + start, length);
        return;
    }
    while (at < length && next_match(s, level, start, length, at, &from, &to)) {
        if (from > done)
            split_level(s, level + 1, start + done, from - done);
        if (to > from)
            split_level(s, level + 1, start + from, to - from);
        done = to;
        for (at = to + (to == from); at < length && (s->text[start + at] & 0xC0) == 0x80;)
            at++; /* after an empty match the search goes on behind the next character */
    }
    if (length > done)
        split_level(s, level + 1, start + done, length - done);
}

void pretokenizer_split(const struct pretokenizer *p, const char *text, size_t length,
                        void (*word)(void *user, const char *text, size_t length), void *user)
{
    enum { STACK_START = 32 << 10, STACK_MOST = 32 << 20 };
    char *copy;
    pcre2_jit_stack *stack = pcre2_jit_stack_create(STACK_START, STACK_MOST, NULL);
    struct split s = {
        .p = p,
        .text = text,
        .shown = matched_text(text, length, p->unicode_16, &copy),
        .found = pcre2_match_data_create(1, NULL),
        .context = pcre2_match_context_create(NULL),
        .word = word,
        .user = user,
    };
    if (!s.found || !s.context)
        die("out of memory while cutting text into words");
    pcre2_jit_stack_assign(s.context, NULL, stack);
    split_level(&s, 0, 0, length);
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(s.context);
    pcre2_match_data_free(s.found);
    free(copy);
}

/* tokenizer.model of any bytes: parsed, and read as a folder's vocabulary, written as GGUF, and used. */
#include "model/sentencepiece.h"
#include "tests/fuzz/vocabulary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was parsed can be read to its last byte. */
static void parse(const uint8_t *data, size_t size)
{
    struct sentencepiece s;
    struct error e = {0};
    size_t bytes = 0;
    if (sentencepiece_parse(&s, data, size, "input", &e) && !*e.text)
        abort();
    for (size_t i = 0; i < s.count; i++)
        bytes += strlen(s.pieces[i].text);
    for (size_t i = 0; i < s.charsmap_bytes; i++)
        bytes += s.charsmap[i];
    if (bytes > 256 * size)
        abort();
    sentencepiece_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { TEXT_MOST = 64 };
    parse(data, size);
    fuzz_folder_put("tokenizer.model", data, size);
    fuzz_folder_use((const char *)data, size < TEXT_MOST ? size : TEXT_MOST);
    return 0;
}

/* Names on the hub, the cache's layout, what a repository offers: everything that needs no network. */
#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "hub/cache.h"
#include "hub/http.h"
#include "hub/offers.h"
#include "hub/source.h"

static struct error e;
static char top[] = "/tmp/test_hub.XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    static const char *const unset[] = {"HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"};
    if (!mkdtemp(top) || chdir(top))
        return -1;
    for (size_t i = 0; i < ARRAY_LENGTH(unset); i++)
        unsetenv(unset[i]);
    return setenv("HOME", "/home/me", 1);
}

static int remove_folder(void **state)
{
    (void)state;
    char *command = xasprintf("rm -rf '%s'", top);
    int rc = chdir("/") || system(command);
    free(command);
    return rc;
}

/* ------------------------------------------------------------------------- names */

static void references(void **state)
{
    (void)state;
    static const struct {
        const char *given, *repository, *revision, *file;
    } good[] = {
        {"hf:org/name", "org/name", "main", NULL},
        {"hf:gpt2", "gpt2", "main", NULL},
        {"hf:org/name@v1.0", "org/name", "v1.0", NULL},
        {"hf:org/name@refs/pr/3:sub/a.gguf", "org/name", "refs/pr/3", "sub/a.gguf"},
        {"hf:o.r_g/n-a.me:Q4_K_M", "o.r_g/n-a.me", "main", "Q4_K_M"},
    };
    struct reference r;
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        assert_true(reference_is(good[i].given));
        assert_ok(reference_parse(&r, good[i].given, &e), &e);
        assert_string_equal(r.repository, good[i].repository);
        assert_string_equal(r.revision, good[i].revision);
        assert_true(good[i].file ? r.file && strcmp(r.file, good[i].file) == 0 : !r.file);
        reference_done(&r);
    }
    static const char *const bad[] = {"hf:",     "hf:/",         "hf:a/",       "hf:/a",       "hf:a/b/c",
                                      "hf:a--b", "hf:..",        "hf:a/..",     "hf:a b",      "hf:a/b@",
                                      "hf:a/b:", "hf:a/b@../..", "hf:a/b:../c", "hf:a/b:c\nd", "hf:a\\b"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        if (reference_parse(&r, bad[i], &e) != ERROR_USAGE)
            fail_msg("'%s' was taken", bad[i]);
        assert_says(&e, "expected hf:ORG/NAME");
        reference_done(&r);
    }
    assert_false(reference_is("model.gguf"));
    assert_false(source_is_named("ollama.gguf"));
    assert_true(source_is_named("ollama:llama3.2"));
}

static void paths_that_stay_below(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a/b.gguf", "..a", "a../b", ".hidden", "é/☃"};
    static const char *const bad[] = {"",       "/a",  "a/",   "a//b", ".",      "..",
                                      "a/../b", "./a", "a\\b", "a\tb", "a/b\x7f", "a\xc2\x9b", "b\xe2\x80\xae", "\xff"};
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        if (!reference_path_safe(good[i]))
            fail_msg("'%s' was refused", good[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        if (reference_path_safe(bad[i]))
            fail_msg("'%s' was taken", bad[i]);
}

static void addresses(void **state)
{
    (void)state;
    struct str s = {0};
    http_escape(&s, "refs/pr/1 ü%", "");
    assert_string_equal(s.data, "refs%2Fpr%2F1%20%C3%BC%25");
    str_done(&s);
    http_escape(&s, "sub/a b.gguf", "/");
    assert_string_equal(s.data, "sub/a%20b.gguf");
    str_done(&s);
    assert_true(http_same_host("https://hub.example/a", "https://HUB.example:443/b?c"));
    assert_false(http_same_host("https://hub.example/a", "http://hub.example/a"));
    assert_false(http_same_host("https://hub.example/a", "https://hub.example:8443/a"));
    assert_false(http_same_host("https://hub.example/a", "https://hub.example.evil.example/a"));
    assert_false(http_same_host("https://hub.example/a", "https://hub.example@evil.example/a"));
    assert_false(http_same_host("https://hub.example/a", "no address"));
}

/* ------------------------------------------------------------------------- cache */

static void assert_folder(char *found, const char *expected)
{
    assert_string_equal(found, expected);
    free(found);
}

static void where_the_cache_lies(void **state)
{
    (void)state;
    assert_folder(cache_folder(), "/home/me/.cache/huggingface/hub");
    setenv("XDG_CACHE_HOME", "/x", 1);
    assert_folder(cache_folder(), "/x/huggingface/hub");
    assert_folder(cache_home(), "/x/huggingface");
    setenv("HF_HOME", "~/hf", 1);
    assert_folder(cache_folder(), "/home/me/hf/hub");
    setenv("HUGGINGFACE_HUB_CACHE", "/old", 1);
    assert_folder(cache_folder(), "/old");
    setenv("HF_HUB_CACHE", "/new", 1);
    assert_folder(cache_folder(), "/new");
    assert_folder(cache_home(), "/home/me/hf");
    setenv("HF_HUB_CACHE", "cache", 1); /* for the next test */
}

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define OTHER "1123456789abcdef0123456789abcdef01234567"

static void refs_and_links(void **state)
{
    (void)state;
    struct cache c;
    char target[256];
    cache_open(&c, "org/name");
    assert_string_equal(c.name, "models--org--name");
    assert_null(cache_commit(&c, "main"));
    assert_ok(cache_remember(&c, "main", COMMIT, &e), &e);
    assert_ok(cache_remember(&c, "refs/pr/1", OTHER, &e), &e);
    assert_ok(cache_remember(&c, OTHER, OTHER, &e), &e);
    assert_folder(cache_commit(&c, "main"), COMMIT);
    assert_folder(cache_commit(&c, "refs/pr/1"), OTHER);
    assert_false(file_exists("cache/models--org--name/refs/" OTHER)); /* a commit needs no ref */
    assert_ok(file_make_folder("cache/models--org--name/blobs", &e), &e);
    assert_ok(file_write("cache/models--org--name/blobs/abc", "1", 1, &e), &e);
    assert_ok(file_write("cache/models--org--name/blobs/def", "2", 1, &e), &e);
    assert_ok(cache_link(&c, COMMIT, "sub/file", "abc", &e), &e);
    assert_ok(cache_link(&c, COMMIT, "sub/file", "def", &e), &e); /* takes the old one's place */
    ssize_t n = readlink("cache/models--org--name/snapshots/" COMMIT "/sub/file", target, sizeof target - 1);
    assert_true(n > 0);
    target[n] = 0;
    assert_string_equal(target, "../../../blobs/def");
    cache_close(&c);
}

static void names_that_may_become_paths(void **state)
{
    (void)state;
    assert_true(cache_is_commit(COMMIT));
    assert_false(cache_is_commit("main"));
    assert_false(cache_is_commit(COMMIT "0"));
    assert_false(cache_is_commit(NULL));
    assert_true(cache_is_etag("d41d8cd98f00b204e9800998ecf8427e-5"));
    assert_false(cache_is_etag("../a"));
    assert_false(cache_is_etag(".a"));
    assert_false(cache_is_etag(""));
    assert_false(cache_is_etag(NULL));
}

static void names_of_what_lies_in_the_cache(void **state)
{
    (void)state;
    static const struct {
        const char *path, *reference;
    } cases[] = {
        {"/c/hub/models--org--name/snapshots/" COMMIT "/sub/m.gguf", "hf:org/name@" COMMIT ":sub/m.gguf"},
        {"/c/hub/models--org--a-b/snapshots/" COMMIT, "hf:org/a-b@" COMMIT},
        {"/c/hub/models--gpt2/snapshots/" COMMIT "/m.gguf", "hf:gpt2@" COMMIT ":m.gguf"},
        {"/c/hub/models--org--name/snapshots/main/m.gguf", NULL},
        {"/c/hub/models--org--name/blobs/abc", NULL},
        {"/c/m.gguf", NULL},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char *found = cache_reference(cases[i].path);
        if (cases[i].reference)
            assert_string_equal(found, cases[i].reference);
        else
            assert_null(found);
        free(found);
    }
}

static bool never(void *user)
{
    ++*(int *)user;
    return false;
}

static void one_holds_a_lock(void **state)
{
    (void)state;
    struct cache c;
    int first, second, ticks = 0;
    cache_open(&c, "org/name");
    assert_ok(cache_lock(&c, "abc", &first, never, &ticks, &e), &e);
    assert_int_equal(cache_lock(&c, "abc", &second, never, &ticks, &e), ERROR_INTERRUPTED);
    assert_int_equal(ticks, 1);
    assert_ok(cache_lock(&c, "def", &second, never, &ticks, &e), &e);
    cache_unlock(second);
    cache_unlock(first);
    assert_ok(cache_lock(&c, "abc", &first, never, &ticks, &e), &e);
    cache_unlock(first);
    cache_close(&c);
}

/* ------------------------------------------------------------------------ offers */

static void levels_in_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *level;
    } cases[] = {
        {"Llama-3.2-1B-Instruct-Q4_K_M.gguf", "Q4_K_M"},
        {"llama-3.2-1b-instruct.q8_0.gguf", "Q8_0"},
        {"Q4_K_M/model-00001-of-00003.gguf", "Q4_K_M"},
        {"model-UD-IQ2_XXS.gguf", "IQ2_XXS"},
        {"model-UD-Q4_K_XL.gguf", "Q4_K_XL"},
        {"model-TQ1_0.gguf", "TQ1_0"},
        {"model-IQ4_NL-imat.gguf", "IQ4_NL"},
        {"gpt-oss-20b-mxfp4.gguf", "MXFP4"},
        {"model-fp16.gguf", "FP16"},
        {"BF16/model-BF16-00001-of-00002.gguf", "BF16"},
        {"Qwen2.5-7B.gguf", ""},
        {"q4all.gguf", ""},
        {"modelQ4_0.gguf", ""},
        {"Q4_K_M-and-Q5_K_S.gguf", "Q5_K_S"},
    };
    char level[OFFER_LEVEL_SIZE];
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        assert_string_equal(offer_level(level, cases[i].name), cases[i].level);
}

static int by_name(const void *a, const void *b)
{
    const struct remote_file *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* A repository of these files, each of so many bytes; NULL at the end. */
static void fill(struct repository *r, const char *const *names, uint64_t bytes)
{
    *r = (struct repository){0};
    cache_open(&r->cache, "org/name");
    r->commit = xstrdup(COMMIT);
    for (int i = 0; names[i]; i++)
        array_push(r->files, r->count, r->capacity) =
            (struct remote_file){.name = xstrdup(names[i]), .bytes = bytes + i, .etag = xstrdup("abc")};
    qsort(r->files, r->count, sizeof *r->files, by_name);
}

static void gguf_models_are_grouped(void **state)
{
    (void)state;
    struct repository r;
    struct offers o;
    int count;
    fill(&r,
         (const char *const[]){"a-Q8_0-00001-of-00002.gguf", "a-Q8_0-00002-of-00002.gguf", "a-Q2_K.gguf",
                               "sub/b-Q2_K.gguf", "mmproj-F16.gguf", "a.imatrix.gguf", "README.md", NULL},
         100);
    offers_collect(&o, &r);
    assert_int_equal(o.count, 3);
    assert_string_equal(o.items[2].name, "a-Q8_0-00001-of-00002.gguf");
    assert_int_equal(o.items[2].bytes, 201);
    assert_int_equal(o.items[2].shards, 2);
    assert_false(o.checkpoint);
    assert_ptr_equal(offers_find(&o, "q8_0"), &o.items[2]);
    assert_ptr_equal(offers_find(&o, "b-q2_k.gguf"), &o.items[1]);
    assert_null(offers_find(&o, "Q2_K")); /* two have it */
    assert_null(offers_find(&o, "Q4_0"));
    const char **names = offer_files(&o.items[2], &r, &count);
    assert_int_equal(count, 2);
    assert_string_equal(names[1], "a-Q8_0-00002-of-00002.gguf");
    free(names);
    offers_done(&o);
    repository_close(&r);
}

static void assert_chosen(const char *const *files, const char *const *expected)
{
    struct repository r;
    int count, wanted = 0;
    fill(&r, files, 1);
    const char **names = checkpoint_files(&r, &count);
    for (; expected[wanted]; wanted++)
        if (wanted >= count || strcmp(names[wanted], expected[wanted]) != 0)
            fail_msg("expected %s, found %s", expected[wanted], wanted < count ? names[wanted] : "nothing");
    assert_int_equal(count, wanted);
    free(names);
    repository_close(&r);
}

#define LIST(...)                                                                                            \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

static void one_set_of_weights_is_enough(void **state)
{
    (void)state;
    assert_chosen(LIST("config.json", "model.safetensors", "model.fp16.safetensors", "pytorch_model.bin",
                       "tokenizer.json", "onnx/model.onnx", "README.md", "adapter_model.safetensors",
                       "original/consolidated.00.pth"),
                  LIST("config.json", "tokenizer.json", "model.safetensors"));
    assert_chosen(LIST("config.json", "consolidated.safetensors", "model-00001-of-00002.safetensors",
                       "model-00002-of-00002.safetensors", "model.safetensors.index.json", "tokenizer.model",
                       "chat_template.jinja", "additional_chat_templates/tool.jinja",
                       "model.fp16-00001-of-00001.safetensors"),
                  LIST("additional_chat_templates/tool.jinja", "chat_template.jinja", "config.json",
                       "model.safetensors.index.json", "tokenizer.model", "model-00001-of-00002.safetensors",
                       "model-00002-of-00002.safetensors"));
    assert_chosen(LIST("config.json", "weights.safetensors", "sub/weights.safetensors"),
                  LIST("config.json", "weights.safetensors"));
}

static void what_a_repository_is(void **state)
{
    (void)state;
    struct repository r;
    struct offers o;
    fill(&r, LIST("config.json", "model.safetensors", "pytorch_model.bin"), 100);
    offers_collect(&o, &r);
    assert_true(o.checkpoint);
    assert_false(o.pickles);
    assert_int_equal(o.checkpoint_bytes, 101);
    offers_done(&o);
    repository_close(&r);
    fill(&r, LIST("config.json", "pytorch_model.bin"), 100);
    offers_collect(&o, &r);
    assert_false(o.checkpoint);
    assert_true(o.pickles);
    offers_done(&o);
    repository_close(&r);
}

/* ----------------------------------------------------------------------- hashing */

/* FIPS 180-4's examples for "abc". */
static void hashes_in_pieces(void **state)
{
    (void)state;
    char text[HASH_TEXT];
    struct hash_stream *h = hash_stream_new(HASH_SHA1);
    hash_stream_add(h, "a", 1);
    hash_stream_add(h, "bc", 2);
    assert_string_equal(hash_stream_finish(h, text), "a9993e364706816aba3e25717850c26c9cd0d89d");
    h = hash_stream_new(HASH_SHA256);
    hash_stream_add(h, "ab", 2);
    hash_stream_add(h, "c", 1);
    assert_string_equal(hash_stream_finish(h, text),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_null(hash_stream_finish(hash_stream_new(HASH_SHA1), NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references),
        cmocka_unit_test(paths_that_stay_below),
        cmocka_unit_test(addresses),
        cmocka_unit_test(where_the_cache_lies),
        cmocka_unit_test(refs_and_links),
        cmocka_unit_test(names_that_may_become_paths),
        cmocka_unit_test(names_of_what_lies_in_the_cache),
        cmocka_unit_test(one_holds_a_lock),
        cmocka_unit_test(levels_in_names),
        cmocka_unit_test(gguf_models_are_grouped),
        cmocka_unit_test(one_set_of_weights_is_enough),
        cmocka_unit_test(what_a_repository_is),
        cmocka_unit_test(hashes_in_pieces),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

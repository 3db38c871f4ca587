/* Finding checkpoints: folders and stores of other programs, built in a temporary folder. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "hub/source.h"
#include "model/discover.h"

static char top[] = "/tmp/test_discover.XXXXXX";

/* Everything that a store's place may depend on points into the temporary folder, or is unset. */
static int make_folder(void **state)
{
    (void)state;
    static const char *const unset[] = {"HF_HOME", "HF_HUB_CACHE", "LLAMA_CACHE", "OLLAMA_MODELS", "XDG_CACHE_HOME",
                                        "HUGGINGFACE_HUB_CACHE"};
    if (!mkdtemp(top) || chdir(top))
        return -1;
    for (size_t i = 0; i < ARRAY_LENGTH(unset); i++)
        unsetenv(unset[i]);
    return setenv("HOME", top, 1);
}

static int remove_folder(void **state)
{
    (void)state;
    char *command = xasprintf("rm -rf '%s'", top);
    int rc = chdir("/") || system(command);
    free(command);
    return rc;
}

/* A file of that many bytes below the temporary folder, with the folders above it. */
static void put(const char *path, size_t size)
{
    struct error e = {0};
    char *folder = path_folder(path), *data = xcalloc(size, 1);
    assert_ok(file_make_folder(folder, &e), &e);
    assert_ok(file_write(path, data, size, &e), &e);
    free(folder);
    free(data);
}

static void put_text(const char *path, const char *text)
{
    struct error e = {0};
    char *folder = path_folder(path);
    assert_ok(file_make_folder(folder, &e), &e);
    assert_ok(file_write(path, text, strlen(text), &e), &e);
    free(folder);
}

static const struct found_model *find(const struct found_models *f, const char *name)
{
    const struct found_model *found = NULL;
    for (int i = 0; i < f->count; i++)
        if (strcmp(f->items[i].name, name) == 0) {
            assert_null(found); /* once only */
            found = &f->items[i];
        }
    return found;
}

/* Of one place only: the machine may have a store outside of HOME. */
static int count_in(const struct found_models *f, const char *place)
{
    int count = 0;
    for (int i = 0; i < f->count; i++)
        count += strcmp(f->items[i].place, place) == 0 && f->items[i].path[0] != '/';
    return count;
}

static void assert_found(const struct found_models *f, const char *name, const char *place, uint64_t bytes)
{
    const struct found_model *m = find(f, name);
    if (!m)
        fail_msg("%s was not found", name);
    assert_string_equal(m->place, place);
    assert_int_equal(m->bytes, bytes);
    assert_true(file_exists(m->path));
}

static void files_of_a_folder(void **state)
{
    (void)state;
    struct found_models f;
    put("a/model.gguf", 10);
    put("a/UPPER.GGUF", 11);
    put("a/x/y/z/deep.gguf", 12);
    put("a/x/y/z/w/too-deep.gguf", 13);
    put("a/mmproj-model.gguf", 14);
    put("a/model.imatrix.gguf", 14);
    put("a/model.gguf.part", 15);
    put("a/notes.txt", 16);
    put("a/.hidden/model.gguf", 17);
    assert_int_equal(mkdir("a/folder.gguf", 0777), 0);
    assert_int_equal(mkfifo("a/pipe.gguf", 0666), 0); /* must not be opened: that would block */
    discover_models(&f, "a", 60);
    assert_true(f.complete);
    assert_int_equal(count_in(&f, "folder"), 3);
    assert_found(&f, "model.gguf", "folder", 10);
    assert_found(&f, "UPPER.GGUF", "folder", 11);
    assert_found(&f, "x/y/z/deep.gguf", "folder", 12);
    assert_string_equal(find(&f, "model.gguf")->path, "a/model.gguf");
    found_models_done(&f);
}

static void shards_are_one_model(void **state)
{
    (void)state;
    struct found_models f;
    put("b/big-00001-of-00003.gguf", 100);
    put("b/big-00002-of-00003.gguf", 100);
    put("b/big-00003-of-00003.gguf", 50);
    put("b/odd-00002-of-00001.gguf", 7); /* no shard's name after all */
    discover_models(&f, "b", 60);
    assert_int_equal(count_in(&f, "folder"), 2);
    assert_found(&f, "big-00001-of-00003.gguf", "folder", 250);
    assert_found(&f, "odd-00002-of-00001.gguf", "folder", 7);
    found_models_done(&f);
}

static void links_make_no_loops(void **state)
{
    (void)state;
    struct found_models f;
    put("c/one/model.gguf", 10);
    assert_int_equal(symlink("..", "c/one/up"), 0);
    assert_int_equal(symlink(".", "c/here"), 0);
    assert_int_equal(symlink("one", "c/two"), 0);
    assert_int_equal(symlink("model.gguf", "c/one/twin.gguf"), 0);
    assert_int_equal(symlink("nowhere.gguf", "c/dangling.gguf"), 0);
    assert_int_equal(symlink("loop.gguf", "c/loop.gguf"), 0);
    discover_models(&f, "c", 60);
    assert_true(f.complete);
    assert_int_equal(count_in(&f, "folder"), 1);
    assert_found(&f, "one/model.gguf", "folder", 10);
    found_models_done(&f);
}

static void checkpoint_folders(void **state)
{
    (void)state;
    struct found_models f;
    put("d/mistral/config.json", 3);
    put("d/mistral/model-00001-of-00002.safetensors", 40);
    put("d/mistral/model-00002-of-00002.safetensors", 2);
    put("d/no-config/model.safetensors", 40);
    put("d/no-weights/config.json", 3);
    discover_models(&f, "d", 60);
    assert_int_equal(count_in(&f, "folder"), 1);
    assert_found(&f, "mistral", "folder", 42);
    assert_string_equal(find(&f, "mistral")->path, "d/mistral");
    found_models_done(&f);
    discover_models(&f, "d/mistral", 60); /* the folder itself is one */
    assert_found(&f, "mistral", "folder", 42);
    found_models_done(&f);
}

/* Nothing of the previous tests lies here. */
static void empty_folder(struct found_models *f)
{
    mkdir("empty", 0777);
    discover_models(f, "empty", 60);
}

static void hugging_face_cache(void **state)
{
    (void)state;
    struct found_models f;
    const char *repo = ".cache/huggingface/hub/models--org--tiny--v2-GGUF";
    char *blob = xasprintf("%s/blobs/abc", repo), *old = xasprintf("%s/snapshots/1/tiny.Q8_0.gguf", repo);
    char *new = xasprintf("%s/snapshots/2/tiny.Q8_0.gguf", repo);
    put(blob, 20);
    put(old, 0), unlink(old);
    put(new, 0), unlink(new);
    assert_int_equal(symlink("../../blobs/abc", old), 0);
    assert_int_equal(symlink("../../blobs/abc", new), 0);
    put(".cache/huggingface/hub/models--org--base/snapshots/9/config.json", 3);
    put(".cache/huggingface/hub/models--org--base/snapshots/9/model.safetensors", 30);
    put(".cache/huggingface/hub/datasets--org--text/snapshots/9/a.gguf", 5);
    empty_folder(&f);
    assert_found(&f, "org/tiny/v2-GGUF/tiny.Q8_0.gguf", "huggingface", 20); /* both snapshots are one file */
    assert_found(&f, "org/base", "huggingface", 30);
    for (int i = 0; i < f.count; i++)
        assert_null(strstr(f.items[i].path, "datasets--"));
    found_models_done(&f);
    free(blob);
    free(old);
    free(new);
}

static void variables_name_the_stores(void **state)
{
    (void)state;
    struct found_models f;
    put("hub/models--o--n/snapshots/1/n.gguf", 1);
    put("home/hub/models--o--m/snapshots/1/m.gguf", 2);
    put("llama/o_k.gguf", 3);
    setenv("HF_HUB_CACHE", "hub", 1);
    setenv("HF_HOME", "home", 1);
    setenv("LLAMA_CACHE", "llama", 1);
    empty_folder(&f);
    assert_found(&f, "o/n/n.gguf", "huggingface", 1);
    assert_found(&f, "o/m/m.gguf", "huggingface", 2);
    assert_found(&f, "o_k.gguf", "llama.cpp", 3);
    found_models_done(&f);
    unsetenv("HF_HUB_CACHE");
    unsetenv("HF_HOME");
    unsetenv("LLAMA_CACHE");
}

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LAYER(type, digest) "{\"mediaType\":\"application/vnd.ollama.image." type "\",\"digest\":\"" digest "\",\"size\":9}"

static void assert_resolved(const char *given, const char *expected)
{
    char *path;
    struct error e = {0};
    assert_ok(source_resolve(given, &path, NULL, &e), &e);
    assert_true(file_same(path, expected));
    free(path);
}

static void ollama_store(void **state)
{
    (void)state;
    struct found_models f;
    const char *good = "{\"schemaVersion\":2,\"layers\":[" LAYER("template", "sha256:00") ","
                       LAYER("model", "sha256:" DIGEST) "]}";
    put("ollama/blobs/sha256-" DIGEST, 77);
    put("outside.gguf", 5);
    put_text("ollama/manifests/registry.ollama.ai/library/llama3.2/1b", good);
    put_text("ollama/manifests/registry.ollama.ai/someone/tiny/latest", good);
    put_text("ollama/manifests/hf.co/org/repo/Q4_K_M", good);
    put_text("ollama/manifests/registry.ollama.ai/library/broken/latest", "{\"layers\":[{\"mediaType\":");
    put_text("ollama/manifests/registry.ollama.ai/library/odd/latest", "{\"layers\":{\"a\":[]}}");
    put_text("ollama/manifests/registry.ollama.ai/library/escape/latest",
             "{\"layers\":[" LAYER("model", "sha256:/../../../outside.gguf") "]}");
    put_text("ollama/manifests/registry.ollama.ai/library/gone/latest",
             "{\"layers\":[" LAYER("model", "sha256:ff23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef") "]}");
    setenv("OLLAMA_MODELS", "ollama", 1);
    empty_folder(&f);
    assert_int_equal(count_in(&f, "ollama"), 3);
    assert_found(&f, "llama3.2:1b", "ollama", 77);
    assert_found(&f, "someone/tiny:latest", "ollama", 77);
    assert_found(&f, "hf.co/org/repo:Q4_K_M", "ollama", 77);
    found_models_done(&f);
    assert_resolved("ollama:llama3.2:1b", "ollama/blobs/sha256-" DIGEST);
    assert_resolved("ollama:someone/tiny", "ollama/blobs/sha256-" DIGEST);
    char *path;
    struct error e = {0};
    assert_int_equal(source_resolve("ollama:llama3.2", &path, NULL, &e), ERROR_FAILED);
    assert_says(&e, "has no model 'llama3.2:latest'");
    assert_null(path);
    unsetenv("OLLAMA_MODELS");
}

static void lm_studio_store(void **state)
{
    (void)state;
    struct found_models f;
    put(".lmstudio/models/publisher/repo/model.gguf", 9);
    empty_folder(&f);
    assert_found(&f, "publisher/repo/model.gguf", "lmstudio", 9);
    assert_resolved("lmstudio:publisher/repo/model.gguf", ".lmstudio/models/publisher/repo/model.gguf");
    found_models_done(&f);
}

static void sorted_and_printable(void **state)
{
    (void)state;
    struct found_models f;
    put("e/b.gguf", 1);
    put("e/a\033[2J.gguf", 1);
    put("e/c/a.gguf", 1);
    discover_models(&f, "e", 60);
    assert_string_equal(f.items[0].name, "a?[2J.gguf");
    assert_string_equal(f.items[1].name, "b.gguf");
    assert_string_equal(f.items[2].name, "c/a.gguf");
    for (int i = 1; i < f.count; i++)
        assert_true(strcmp(f.items[i - 1].place, f.items[i].place) <= 0);
    found_models_done(&f);
}

static void time_runs_out(void **state)
{
    (void)state;
    struct found_models f;
    put("a/model.gguf", 10);
    discover_models(&f, "a", -1);
    assert_false(f.complete);
    assert_int_equal(count_in(&f, "folder"), 0);
    found_models_done(&f);
    discover_models(&f, "does/not/exist", 60);
    assert_true(f.complete);
    found_models_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_a_folder),
        cmocka_unit_test(shards_are_one_model),
        cmocka_unit_test(links_make_no_loops),
        cmocka_unit_test(checkpoint_folders),
        cmocka_unit_test(hugging_face_cache),
        cmocka_unit_test(variables_name_the_stores),
        cmocka_unit_test(ollama_store),
        cmocka_unit_test(lm_studio_store),
        cmocka_unit_test(sorted_and_printable),
        cmocka_unit_test(time_runs_out),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

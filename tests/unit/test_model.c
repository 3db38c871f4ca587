/* Opening models: what the metadata and names of a file come to. */
#include "tests/unit/unit.h"

#include "model/model.h"
#include "tests/unit/gguf_build.h"

static struct model *open_demo(void)
{
    struct error e = {0};
    struct model *m;
    char *path = unit_source("demo/quantwiz-demo-f16.gguf");
    assert_ok(model_open(&m, path, 0, &e), &e);
    free(path);
    return m;
}

static void demo_model(void **state)
{
    (void)state;
    struct model *m = open_demo();
    assert_string_equal(m->arch_name, "llama");
    assert_ptr_equal(m->arch, architecture_named("llama"));
    assert_string_equal(m->file_type, "F16");
    assert_int_equal(m->hp.layers, 6);
    assert_int_equal(m->hp.embd, 256);
    assert_int_equal(m->hp.vocab, 4096);
    assert_int_equal(m->hp.context, 1024);
    assert_int_equal(m->hp.layer[5].heads, 8);
    assert_int_equal(m->hp.layer[5].kv_heads, 4);
    assert_int_equal(m->hp.layer[5].key_length, 32);
    assert_int_equal(m->hp.layer[5].ffn, 512);
    assert_true(m->complete);
    model_close(m);
}

static void look_ups(void **state)
{
    (void)state;
    struct model *m = open_demo();
    const struct tensor *t = model_tensor(m, "blk.3.attn_q.weight");
    assert_non_null(t);
    assert_int_equal(t->role, ROLE_ATTN_Q);
    assert_int_equal(t->layer, 3);
    assert_ptr_equal(t, model_role(m, ROLE_ATTN_Q, 3));
    assert_null(model_role(m, ROLE_ATTN_Q, 6));
    assert_null(model_tensor(m, "blk.3.attn_q"));
    assert_non_null(model_role(m, ROLE_TOKEN_EMBD, -1));
    model_close(m);
}

/* A folder of this test's own, removed at the end. */
static char folder[] = "/tmp/test_model.XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char *command = xasprintf("rm -rf '%s'", folder);
    int rc = system(command);
    free(command);
    return rc;
}

static char *in_folder(const char *name)
{
    return xasprintf("%s/%s", folder, name);
}

static void sparse_llama2(void **state)
{
    (void)state;
    struct error e = {0};
    struct model *m;
    char *path = in_folder("7b.gguf");
    gguf_build_file(gguf_build_llama(&gguf_llama2_7b, quant_type(QUANT_F16)), path, 0);
    assert_ok(model_open(&m, path, 0, &e), &e);
    assert_true(m->parameters == 6738415616); /* the model card's 6.74B */
    assert_int_equal(m->hp.vocab, 32000);
    assert_int_equal(m->hp.layer[31].kv_heads, 32);
    assert_int_equal(m->hp.layer[0].key_length, 128);
    model_close(m);
    free(path);
}

static void header_only(void **state)
{
    (void)state;
    struct error e = {0};
    struct model *m;
    char *path = in_folder("70b.gguf");
    gguf_build_file(gguf_build_llama(&gguf_llama2_70b, quant_type(QUANT_F16)), path, GGUF_BUILD_CUT);
    assert_int_not_equal(model_open(&m, path, 0, &e), 0);
    assert_says(&e, "token_embd.weight");
    assert_ok(model_open(&m, path, MODEL_HEADER_ONLY, &e), &e);
    assert_false(m->complete);
    assert_null(m->tensors[0].data);
    assert_true(m->parameters == 68976648192);
    model_close(m);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(demo_model),
        cmocka_unit_test(look_ups),
        cmocka_unit_test(sparse_llama2),
        cmocka_unit_test(header_only),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

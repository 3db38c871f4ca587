/* Opening models: what the metadata and names of a file come to. */
#include "tests/unit/unit.h"

#include "model/model.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(demo_model),
        cmocka_unit_test(look_ups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

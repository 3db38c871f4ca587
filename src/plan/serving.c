#include "plan/serving.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* --------------------------------------------------------------- placeholders */

/* Paths are words for a shell, but for those that say python, which are literals of that. */
#define PLACEHOLDERS(X)                                                                                         \
    X(file) X(folder) X(basename) X(raw_basename) X(name) X(file_python) X(folder_python) X(basename_python)    \
    X(tokenizer) X(context) X(sequence_context) X(parallel) X(sequences) X(tensor_parallel) X(kv_type)          \
    X(flash_attention) X(micro_batch) X(layers) X(gpu_layers) X(device_map) X(cores) X(threads) X(ram) X(numa) X(gpus)         \
    X(kv_bytes) X(total_bytes) X(cpu_bytes) X(draft)

enum placeholder {
#define ENUM(name) VALUE_##name,
    PLACEHOLDERS(ENUM) VALUE_COUNT
};
_Static_assert((int)VALUE_COUNT <= (int)SERVING_VALUES, "struct serving has room for all placeholders");

static const char *const names[] = {
#define NAME(name) #name,
    PLACEHOLDERS(NAME)
};

/* The placeholder that begins at `text`, and how long it is with its braces; -1: none. */
static int placeholder_at(const char *text, size_t *length)
{
    *length = *text == '{' ? strcspn(text, "}") + 1 : 0;
    for (int i = 0; *length && i < VALUE_COUNT; i++)
        if (strlen(names[i]) == *length - 2 && strncmp(names[i], text + 1, *length - 2) == 0)
            return i;
    return -1;
}

/* How long a bracketed part is that has a placeholder in it; 0: this is none. */
static size_t option_at(const struct serving *s, const char *text, bool *known)
{
    size_t end = strcspn(text, "]\n"), length;
    bool any = false;
    *known = true;
    if (*text != '[' || text[end] != ']')
        return 0;
    for (size_t i = 0; i < end; i++) {
        int k = placeholder_at(text + i, &length);
        any = any || k >= 0;
        *known = *known && (k < 0 || s->value[k]);
    }
    return any ? end + 1 : 0;
}

static void fill(const struct serving *s, struct str *out, const char *text, const char *end)
{
    bool known;
    while (text < end) {
        size_t length, option = option_at(s, text, &known);
        int k = placeholder_at(text, &length);
        if (option && known)
            fill(s, out, text + 1, text + option - 1);
        else if (!option && k >= 0)
            str_add(out, s->value[k] ? s->value[k] : "?");
        else if (!option)
            str_add_char(out, *text);
        text += option ? option : k >= 0 ? length : 1;
    }
}

char *serving_fill(const struct serving *s, const char *text, struct arena *a)
{
    struct str out = {0};
    fill(s, &out, text, text + strlen(text));
    return str_keep(&out, a);
}

/* ---------------------------------------------------------------------- words */

static const char *shell_word(const char *text, struct arena *a)
{
    struct str s = {0};
    str_add_word(&s, text);
    return str_keep(&s, a);
}

static const char *python_text(const char *text, struct arena *a)
{
    struct str s = {0};
    str_add_char(&s, '"');
    for (; *text; text++)
        if ((unsigned char)*text < ' ')
            str_addf(&s, "\\x%02x", (unsigned char)*text);
        else
            str_addf(&s, strchr("\"\\", *text) ? "\\%c" : "%c", *text);
    str_add_char(&s, '"');
    return str_keep(&s, a);
}

/* "model.q4_k_m" of "/x/model.Q4_K_M.gguf": what a runtime's own store calls it. */
static const char *store_name(const char *artefact, struct arena *a)
{
    char *name = arena_strdup(a, path_name(artefact));
    if (str_ends(name, ".gguf"))
        name[strlen(name) - strlen(".gguf")] = 0;
    for (char *c = name; *c; c++)
        *c = isalnum((unsigned char)*c) || strchr("._-", *c) ? (char)tolower((unsigned char)*c) : '-';
    return name;
}

/* On one line: within a here-document a line break could end it, and what follows would be commands. */
static const char *bare_name(const char *artefact, struct arena *a)
{
    char *name = arena_strdup(a, path_name(artefact));
    text_make_printable(name);
    return name;
}

static const char *whole(double value, struct arena *a)
{
    return isnan(value) ? NULL : arena_printf(a, "%.0f", value);
}

static const char *bytes(double value, struct arena *a)
{
    char text[FORMAT_SIZE];
    return isnan(value) ? NULL : arena_strdup(a, format_bytes(text, value));
}

/* ---------------------------------------------------------------------- facts */

/* A plan that a person wrote has none. */
static const struct plan_estimate *estimate_of(const struct plan *p)
{
    return p->record.estimate.verdict ? &p->record.estimate : &plan_estimate_unknown;
}

static const struct yaml *machine_of(const struct plan *p, struct arena *a)
{
    struct yaml *tree = NULL;
    struct error e;
    const char *text = p->machine_summary;
    return text && yaml_parse(&tree, text, strlen(text), "machine", a, &e) == 0 && tree->kind == YAML_MAP ? tree : NULL;
}

static double number_in(const struct yaml *machine, const char *key)
{
    double value = NAN;
    struct error e;
    yaml_number(machine, key, false, &value, &e);
    return value;
}

/* Of the machine's GPUs; NaN where one is not known. */
static double least_capability(const struct yaml *gpus)
{
    double least = NAN;
    for (size_t i = 0; gpus && i < gpus->count; i++) {
        double capability = number_in(gpus->items[i], "compute_capability");
        if (isnan(capability))
            return NAN;
        least = fmin(least, capability);
    }
    return least;
}

static double wish_or(const struct plan *p, enum wish_id id, double fallback)
{
    double value = p->wishes.value[id].number;
    return value >= 1 ? value : fallback;
}

static const char *offload_of(const struct plan_estimate *e, bool cpu)
{
    if (cpu || e->gpu_layers == 0)
        return "none";
    return isnan(e->gpu_layers) ? NULL : e->gpu_layers < e->layers ? "some" : "all";
}

static void set_facts(struct serving *s, const struct plan *p, const struct yaml *machine, const char *draft)
{
    const struct plan_estimate *e = estimate_of(p);
    const struct yaml *gpus = yaml_get(machine, "gpus");
    double cores = number_in(machine, "cores"), threads = number_in(machine, "threads");
    s->word[SERVING_OFFLOAD] = offload_of(e, wishes_fit(&p->wishes) == FIT_CPU);
    s->word[SERVING_KV_TYPE] = wishes_choice(&p->wishes, WISH_KV_TYPE);
    s->number[SERVING_HYPERTHREADS] = isnan(cores) || isnan(threads) ? NAN : threads > cores;
    s->number[SERVING_DRAFT] = draft != NULL;
    s->number[SERVING_PARALLEL] = wish_or(p, WISH_PARALLEL, 1);
    s->number[SERVING_GPUS] = !machine ? NAN : gpus ? (double)gpus->count : 0;
    s->number[SERVING_NUMA] = number_in(machine, "numa_nodes");
    s->number[SERVING_CAPABILITY] = least_capability(gpus);
    s->number[SERVING_KV_SHARE] = e->kv_bytes / e->total_bytes;
    s->number[SERVING_RAM_SHARE] = e->cpu_bytes / number_in(machine, "memory_available_bytes");
}

static void set_paths(struct serving *s, const struct plan *p, const char *artefact, const char *draft, struct arena *a)
{
    char *folder = path_folder(artefact), *source = path_absolute(p->source);
    const char **v = s->value;
    v[VALUE_file] = shell_word(artefact, a);
    v[VALUE_folder] = shell_word(arena_strdup(a, folder), a);
    v[VALUE_basename] = shell_word(path_name(artefact), a);
    v[VALUE_raw_basename] = bare_name(artefact, a);
    v[VALUE_name] = store_name(artefact, a);
    v[VALUE_file_python] = python_text(artefact, a);
    v[VALUE_folder_python] = python_text(folder, a);
    v[VALUE_basename_python] = python_text(path_name(artefact), a);
    /* A GGUF file's tokenizer is found in the folder that it was made of. */
    v[VALUE_tokenizer] = str_ends(source, ".gguf") ? NULL : shell_word(source, a);
    v[VALUE_draft] = draft ? shell_word(draft, a) : NULL;
    free(folder);
    free(source);
}

/* The context of all sequences together is what llama.cpp wants, that of one what others do. */
static void set_wishes(struct serving *s, const struct plan *p, struct arena *a)
{
    double context = wish_or(p, WISH_CTX, 4096), parallel = s->number[SERVING_PARALLEL];
    const char **v = s->value, *kv = s->word[SERVING_KV_TYPE];
    v[VALUE_context] = whole(context * parallel, a);
    v[VALUE_sequence_context] = whole(context, a);
    v[VALUE_parallel] = whole(parallel, a);
    v[VALUE_sequences] = parallel > 1 ? whole(parallel, a) : NULL;
    v[VALUE_tensor_parallel] = whole(wish_or(p, WISH_TENSOR_PARALLEL, 1), a);
    v[VALUE_kv_type] = kv;
    /* A quantized cache of values cannot do without. */
    v[VALUE_flash_attention] = strcmp(kv, "f16") != 0 ? "on" : wishes_choice(&p->wishes, WISH_FLASH_ATTENTION);
    v[VALUE_micro_batch] = wishes_given(&p->wishes, WISH_MICRO_BATCH) ? whole(wish_or(p, WISH_MICRO_BATCH, 512), a) : NULL;
}

static void set_machine(struct serving *s, const struct plan *p, const struct yaml *machine, struct arena *a)
{
    const struct plan_estimate *e = estimate_of(p);
    const char **v = s->value, *offload = s->word[SERVING_OFFLOAD];
    bool cpu = offload && strcmp(offload, "none") == 0;
    v[VALUE_layers] = whole(e->layers, a);
    v[VALUE_gpu_layers] = cpu ? "0" : whole(e->gpu_layers, a);
    v[VALUE_device_map] = cpu ? "" : ", device_map=\"auto\"";
    v[VALUE_cores] = whole(number_in(machine, "cores"), a);
    v[VALUE_threads] = whole(number_in(machine, "threads"), a);
    v[VALUE_ram] = bytes(number_in(machine, "memory_available_bytes"), a);
    v[VALUE_numa] = whole(s->number[SERVING_NUMA], a);
    v[VALUE_gpus] = whole(s->number[SERVING_GPUS], a);
    v[VALUE_kv_bytes] = bytes(e->kv_bytes, a);
    v[VALUE_total_bytes] = bytes(e->total_bytes, a);
    v[VALUE_cpu_bytes] = bytes(e->cpu_bytes, a);
}

void serving_of(struct serving *s, const struct plan *p, const char *artefact, const char *draft, struct arena *a)
{
    const struct yaml *machine = machine_of(p, a);
    *s = (struct serving){0};
    set_facts(s, p, machine, draft);
    set_paths(s, p, artefact, draft, a);
    set_wishes(s, p, a);
    set_machine(s, p, machine, a);
}

#include "plan/wishes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

static const char *const fits[] = {"gpu", "cpu", "split", NULL};
static const char *const runtimes[] = {"llama.cpp", "ollama", "lmstudio", "vllm", "tgi", "sglang", "transformers",
                                       "tensorrt-llm", NULL};
static const char *const kv_types[] = {"f16", "q8_0", "q4_0", NULL};
static const char *const use_cases[] = {"general", "code", "creative", "technical", "edge", NULL};

const struct wish_spec wish_specs[WISH_COUNT] = {
    [WISH_FIT] = {"fit", "Runs on", WISH_CHOICE, fits, .help = "Where the model must run: all of it on the GPU, on the CPU "
                  "alone, or split between them."},
    [WISH_RUNTIME] = {"runtime", "Serving runtime", WISH_CHOICE, runtimes, .help = "The program that will serve it; it "
                      "decides which formats can be used at all."},
    [WISH_BUDGET] = {"budget", "Memory budget", WISH_BYTES, .help = "The most memory the model may take when it runs: "
                     "VRAM where it runs on a GPU, else RAM. Default: what is free."},
    [WISH_CTX] = {"ctx", "Context", WISH_INTEGER, .low = 1, .high = 1 << 24, .unit = "tokens", .help = "Tokens of "
                  "prompt and answer together; the KV cache grows with it."},
    [WISH_KV_TYPE] = {"kv-type", "KV cache type", WISH_CHOICE, kv_types, .help = "How the cache is stored: q8_0 halves it "
                      "almost without loss, q4_0 quarters it with some."},
    [WISH_PARALLEL] = {"parallel", "Parallel sequences", WISH_INTEGER, .low = 1, .high = 4096, .help = "Conversations "
                       "served at once; each has a cache of its own."},
    [WISH_MIN_SPEED] = {"min-speed", "Minimum speed", WISH_NUMBER, .unit = "tokens/s", .help = "The least decoding speed "
                        "that is good enough, for one sequence."},
    [WISH_MAX_LOSS] = {"max-loss", "Largest loss", WISH_PERCENT, .help = "How much perplexity may grow against the "
                       "original before the result is rejected."},
    [WISH_USE_CASE] = {"use-case", "Use case", WISH_CHOICE, use_cases, .help = "What it is for: code and technical text "
                       "suffer from quantization earlier than chat and stories do."},
    [WISH_CALIBRATION] = {"calibration", "Domain text", WISH_PATH, .help = "A text like those that the model will see: "
                          "plain text, or JSON lines. Used to calibrate and to evaluate."},
    [WISH_MIX] = {"mix", "Mix to budget", WISH_SWITCH, .help = "Choose the best type for each tensor within the budget "
                  "instead of a fixed level."},
    [WISH_FILE_BUDGET] = {"file-budget", "File size limit", WISH_BYTES, .help = "The most that the file itself may take."},
};

int wish_find(const char *name)
{
    for (int i = 0; i < WISH_COUNT; i++)
        if (strcmp(wish_specs[i].name, name) == 0)
            return i;
    return -1;
}

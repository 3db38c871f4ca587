/* tokenizer.json (or, behind a byte 0x1D, tekken.json), and behind a byte 0x1E tokenizer_config.json, of any
 * bytes: read, written as GGUF, and used. */
#include "tests/fuzz/vocabulary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { TEKKEN = 0x1D, BETWEEN = 0x1E, TEXT_MOST = 64 };
    const uint8_t *between = size ? memchr(data, BETWEEN, size) : NULL;
    size_t first = between ? (size_t)(between - data) : size;
    bool tekken = first > 0 && *data == TEKKEN;
    fuzz_folder_put("tokenizer.json", data, tekken ? 0 : first);
    fuzz_folder_put("tekken.json", data + tekken, tekken ? first - 1 : 0);
    fuzz_folder_put("tokenizer_config.json", between ? between + 1 : data, between ? size - first - 1 : 0);
    fuzz_folder_use((const char *)data, size < TEXT_MOST ? size : TEXT_MOST);
    return 0;
}

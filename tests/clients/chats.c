/* chats TEMPLATE BOS EOS < CHATS: prints the chats (JSON lines, each a list of messages) as quantwiz renders them by
 * the template in that file, each as a JSON string on a line; and first the name of the form that it recognized, or
 * "unknown". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "text/chat_template.h"

static void print_chat(const struct chat_template *t, const json_t *list)
{
    struct chat_message *messages = xcalloc(json_array_size(list) + 1, sizeof *messages);
    struct str text = {0};
    size_t i;
    json_t *m;
    json_array_foreach(list, i, m)
        messages[i] = (struct chat_message){json_string_value(json_object_get(m, "role")),
                                            json_string_value(json_object_get(m, "content"))};
    chat_render(t, messages, (int)json_array_size(list), &text);
    json_t *out = json_text(text.data);
    json_dumpf(out, stdout, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    puts("");
    json_decref(out);
    str_done(&text);
    free(messages);
}

int main(int argc, char **argv)
{
    struct chat_template t;
    struct error e = {0};
    char *program, *line = NULL;
    size_t size = 0;
    if (argc != 4 || file_read(argv[1], 1 << 20, &program, NULL, &e)) {
        fprintf(stderr, "%s\n", e.code ? e.text : "usage: chats TEMPLATE BOS EOS < CHATS");
        return 2;
    }
    bool known = chat_template_read(&t, program, argv[2], argv[3]);
    puts(known ? chat_template_name(&t) : "unknown");
    while (known && getline(&line, &size, stdin) > 0) {
        json_t *list = json_loads(line, 0, NULL);
        print_chat(&t, list);
        json_decref(list);
    }
    chat_template_done(&t);
    free(program);
    free(line);
    return 0;
}

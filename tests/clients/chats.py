"""Chat templates, as published with the models of their families: out of packages, and some short ones as they stand in
the models' tokenizer_config.json; and chats to render by them."""
import json


def message(role):
    return lambda content: dict(role=role, content=content)


SYSTEM, USER, ANSWER = message("system"), message("user"), message("assistant")
CHATS = [[USER("Hello there")],
         [USER("Hello there"), ANSWER("Hi.")],
         [SYSTEM("Be brief."), USER("What is 2+2?"), ANSWER("Four."), USER("  And 3+3? \n")],
         [SYSTEM("Be brief."), USER("a"), ANSWER(" b \n"), USER("c"), ANSWER("d")],
         [USER("u1"), ANSWER("<think>\nhm\n</think>\n\nyes"), USER("u2"), ANSWER("<think>\nso\n</think>\n\nno")],
         [USER("\u00e9 \u201cq\u201d \u65e5\u672c {{x}} %s")]]

# Of axolotl's wheel (axolotl/utils/chat_templates/templates): all whose forms quantwiz knows.
PACKAGED = ("aya chatml cohere deepseek_v2 deepseek_v3 exaone falcon_h1 gemma gemma3 gemma3n llama3 llama4 mistral_v1 "
            "mistral_v2v3 mistral_v3_tekken nemotron_h phi_3 phi_35 phi_4 qwen2_vl qwen_25").split()

PUBLISHED = {
    "llama-2":
        "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
        "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
        "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
        "{% if loop.index0 == 0 and system_message != false %}"
        "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
        "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
        "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
        "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}"
        "{% endif %}{% endfor %}",
    "mistral-0.1":
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
        "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
        "{{ message['content'] + eos_token}}{% else %}"
        "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}",
    "zephyr":
        "{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
        "{{ '<|user|>\\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n"
        "{{ '<|system|>\\n' + message['content'] + eos_token }}\n"
        "{% elif message['role'] == 'assistant' %}\n"
        "{{ '<|assistant|>\\n'  + message['content'] + eos_token }}\n{% endif %}\n"
        "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
    "phi-3-mini":
        "{% for message in messages %}{% if message['role'] == 'system' %}"
        "{{'<|system|>\\n' + message['content'] + '<|end|>\\n'}}{% elif message['role'] == 'user' %}"
        "{{'<|user|>\\n' + message['content'] + '<|end|>\\n'}}{% elif message['role'] == 'assistant' %}"
        "{{'<|assistant|>\\n' + message['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}",
    "granite-3.0":
        "{%- for message in messages %}\n    {%- if message['role'] == 'system' %}\n    "
        "{{- '<|start_of_role|>system<|end_of_role|>' + message['content'] + '<|end_of_text|>\n' }}\n"
        "    {%- elif message['role'] == 'user' %}\n    "
        "{{- '<|start_of_role|>user<|end_of_role|>' + message['content'] + '<|end_of_text|>\n' }}\n    "
        "{%- elif message['role'] == 'assistant' %}\n    "
        "{{- '<|start_of_role|>assistant<|end_of_role|>'  + message['content'] + '<|end_of_text|>\n' }}\n"
        "    {%- endif %}\n    {%- if loop.last and add_generation_prompt %}\n    "
        "{{- '<|start_of_role|>assistant<|end_of_role|>' }}\n    {%- endif %}\n{%- endfor %}",
    "llama-3.1":
        "{{- bos_token }}\n{%- if not date_string is defined %}\n    "
        "{%- set date_string = \"26 Jul 2024\" %}\n{%- endif %}\n"
        "{%- if messages[0]['role'] == 'system' %}\n    "
        "{%- set system_message = messages[0]['content']|trim %}\n    "
        "{%- set messages = messages[1:] %}\n{%- else %}\n    {%- set system_message = \"\" %}\n"
        "{%- endif %}\n{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}\n"
        "{{- \"Cutting Knowledge Date: December 2023\\n\" }}\n"
        "{{- \"Today Date: \" + date_string + \"\\n\\n\" }}\n{{- system_message }}\n"
        "{{- \"<|eot_id|>\" }}\n{%- for message in messages %}\n    "
        "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] "
        "| trim + '<|eot_id|>' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    "
        "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n",
}


def templates(dir):
    """name -> template, of what has been fetched into `dir`."""
    out = dict(PUBLISHED)
    for name in PACKAGED:
        path = dir / "axolotl/utils/chat_templates/templates" / (name + ".jinja")
        if path.exists():
            out[name] = path.read_text(encoding="utf-8")
    for name in ("qwen3", "gemma3", "deepseek_v3"):
        path = dir / "tokenizers" / name / "package/models/tokenizer_config.json"
        if path.exists():
            out["tokenizer " + name] = json.loads(path.read_text(encoding="utf-8"))["chat_template"]
    return out

#!/usr/bin/env python3
"""Makes what chat_test compares with: templates of our own, each in the manner of a family and together with all of
Jinja that tsrun reads, ten conversations, and what `transformers` writes of them. The file here is of 5.24.0.

    python3 make_chats.py              chats.json beside this script
    python3 make_chats.py MODEL...     NAME.chats for tokenizer_models_test beside each Hugging Face folder NAME or file
                                       NAME.gguf with a template, or template NAME.jinja

chats.json    "templates": name, source, bos_token, eos_token; "conversations"; "texts": for each template and each
              conversation the text without and with the beginning of an answer, or null where the template refuses
"""
import json
import sys
from datetime import datetime
from pathlib import Path

from transformers.utils import chat_template_utils

HERE = Path(__file__).resolve().parent

CONVERSATIONS = [
    [("user", "Hello")],
    [("system", "Be brief."), ("user", "What is a torus?")],
    [("user", "One"), ("assistant", "Two"), ("user", "Three")],
    [("system", " \n You sing.\t"), ("user", "  Sing!\n\n"), ("assistant", "\u3000La la. \u00a0"), ("user", " Again \x1f")],
    [("user", "Grüße, 世界 👋🏽 {{ no }} {% if %} 'quoted' \"twice\" \\n"), ("assistant", "")],
    [("user", ""), ("assistant", "So?"), ("user", "é\u0301\r\nend")],
    [("user", "Why?"), ("assistant", "<think>\nHm,\nwell.\n</think>\n\nBecause."), ("user", "Is it?"), ("assistant", "<think>yes</think>It is.")],
    [("system", ""), ("user", "a" * 300), ("assistant", "<|im_end|></s><|eot_id|>"), ("user", "</think>")],
    [("user", "first"), ("user", "second"), ("assistant", "third")],
    [("assistant", "I begin."), ("user", "No.")],
]

CHATML = """\
{% for message in messages %}
{% if loop.first and message['role'] != 'system' %}
{{ '<|im_start|>system\\nYou are small.<|im_end|>\\n' }}{% endif %}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

LLAMA_2 = """\
{%- if messages[0]['role'] == 'system' -%}
    {%- set rest = messages[1:] -%}{%- set system = messages[0]['content'] -%}
{%- else -%}
    {%- set rest = messages -%}{%- set system = false -%}
{%- endif -%}
{%- for m in rest -%}
    {%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception('user and assistant take turns') }}{%- endif -%}
    {%- set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + m['content'] if loop.index0 == 0 and system != false else m['content'] -%}
    {%- if m['role'] == 'user' -%}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}
    {%- elif m['role'] == 'assistant' -%}{{ ' ' + content.strip() + ' ' + eos_token }}{%- endif -%}
{%- endfor -%}
"""

LLAMA_3 = """\
{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- else %}{%- set date_string = "never" %}{%- endif %}
{%- endif %}
{#- a system message always #}
{%- if messages[0].role == "system" %}{%- set system = messages[0].content|trim %}{%- set messages = messages[1:] %}
{%- else %}{%- set system = "" %}{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}{{- tools | tojson(indent=4) }}{%- endif %}
{{- "Today: " ~ date_string ~ "\\n\\n" }}
{{- system + "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}
"""

GEMMA = """\
{{ bos_token }}
{%- set prefix = messages[0].content ~ '\\n\\n' if messages[0].role == 'system' else '' -%}
{%- for message in (messages[1:] if prefix else messages) -%}
    {%- set role = {'assistant': 'model'}.get(message.role, message.role) -%}
    {{ '<start_of_turn>' + role + '\\n' + (prefix if loop.first else '') }}
    {%- if message.content is string -%}{{ message.content | trim }}
    {%- elif message.content is iterable -%}{%- for item in message.content -%}{{ item['text'] | trim }}{%- endfor -%}
    {%- else -%}{{ raise_exception('what is this?') }}{%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{% if add_generation_prompt %}<start_of_turn>model
{% endif %}"""

MISTRAL = """\
{%- set system = none %}
{%- if messages[0]["role"] == "system" %}{%- set system = messages[0]["content"] %}{%- endif %}
{%- set users = messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace(index=0) %}
{%- for message in messages if message.role != "system" %}
    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}{{- raise_exception("turns!") }}{%- endif %}
    {%- set ns.index = ns.index + 1 %}
{%- endfor %}
{{- bos_token }}
{%- for message in messages %}
    {%- if message["role"] == "user" %}
        {%- if system is not none and message == users[-1] %}{{- "[INST] " + system + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}{{- "[INST] " + message["content"] + "[/INST]" }}{%- endif %}
    {%- elif message["role"] == "assistant" %}{{- " " + message["content"] | trim + eos_token }}
    {%- elif not loop.first %}{{- raise_exception("Only one system message!") }}
    {%- endif %}
{%- endfor %}
"""

PHI_3 = """\
{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>\\n' + message['content'] + '<|end|>\\n'}}{% elif message['role'] in ['user', 'assistant'] %}{{'<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"""

THINKING = """\
{%- set ns = namespace(seeks=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.seeks and message.role == "user" and not(message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}
        {%- set ns.seeks = false %}{%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == "assistant" %}
        {%- set content = message.content %}{%- set thought = '' %}
        {%- if message.thought is defined and message.thought is not none %}{%- set thought = message.thought %}
        {%- elif '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or thought) %}
            {{- '<|im_start|>assistant\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}{{- '<|im_start|>assistant\\n' + content }}{%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}{{- (messages[loop.index0 - 1].role or 'x') | tojson }}
    {%- else %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}
"""

EVERYTHING = """\
{# a comment, and its line #}
{%- macro turn(role, text='nothing', mark="*") -%}
  {%- set inside = role | upper ~ mark -%}
  [{{ inside }}: {{ text }}]
{%- endmacro -%}
{% set head %}head {{ 1 + 2 * 3 - 7 // 2 }} {{ -7 % 3 }} {{ -7 // 2 }}{% endset %}
  {{ head }}
  {%+ if true %} kept blanks{% endif +%}

{% if true -%}   gone   {%- endif %}|
{{ 'both' 'parts' }} {{ "a\\tb" }} {{ none }} {{ true }} {{ nothing }} {{ not nothing }} {{ nothing | default('other') }} {{ '' | d('x', true) }}
{% for key, value in {'a': 1, "b": [1, 'two', {'c': {}}]}.items() %}{{ key }}={{ value | length if value is not number else value }};{% endfor %}
{% for m in messages %}{% if loop.index > 6 %}{% break %}{% elif m.role == 'system' %}{% continue %}{% endif %}{{ turn(m['role'], mark=loop.revindex, text=m.content[:3]) }}{{ '' if loop.last else ', ' }}{% else %}nobody{% endfor %}
{% for m in [] %}{% else %}empty{% endfor %}
{{ [1, 2, 3][-1] }} {{ 'abcdef'[1:-1:2] }} {{ 'abc'[::-1] }} {{ [3, 1][5] is undefined }} {{ messages | map(attribute='role') | join('/') }}
{{ 'x' in 'xyz' and 'q' not in ['a'] and 2 in [1, 2] and 'a' in {'a': 1} }} {{ 1 < 2 and 2 <= 2 }} {{ 'b' >= 'a' }} {{ 3 != 4 or missing }}
{{ 'Ab c' | lower | title | replace('B', 'xx') | trim('A ') | capitalize }} {{ "q\\"\\\\\\n" | tojson }} {{ 5 | string + '!' }} {{ range(3) | list | length }}
{{ messages | rejectattr('role', 'in', ['user', 'system']) | map(attribute='content') | first | default('none said') }} {{ 'a,b,,c'.split(',') | last }}
{{ 4 is even }}{{ 3 is odd }}{{ x is defined }}{{ none is none }}{{ 'a' is string }}{{ {} is mapping }}{{ 1 is integer }}{{ true is boolean }}{{ false is false }}{{ 1 is ne 2 }}{{ 'a' is eq('a') }}
{% set total = 0 %}{% for i in range(1, 4) %}{% set total = total + i %}{{ total }}{% endfor %}{{ total }} {{ loop is defined }}
{% generation %}said{% endgeneration %}{{ messages[0].get('content', '?')[0] if messages[0].content }}{{ messages[0].nothing | default }}
{{- '' if not add_generation_prompt }}
{% set seen = namespace(all=[], by={'n': [0]}) %}{% for m in messages %}{% set seen.all = seen.all + [m.role] %}{% endfor %}
{{ seen.all | join('+') }} {{ seen.by.n[0] }} {{ 'user' in ('user', 'tool') }} {{ (1, 2) | length }} {{ ('a',) | first }}
{% for i in range(messages | length - 1, -1, -2) %}{{ i }}{% endfor %} {{ 'a:b:c'.split(':', 1) | last }} {{ true | int + 4 }}
{{ '<{}|{}>'.format('x', 1) }} {{ none | selectattr('type') | list | length }} {{ nothing | map(attribute='a') | list | length }}
"""

TEMPLATES = {
    "chatml": (CHATML, "", "<|im_end|>"), "llama-2": (LLAMA_2, "<s>", "</s>"), "llama-3": (LLAMA_3, "<|begin_of_text|>", "<|eot_id|>"),
    "gemma": (GEMMA, "<bos>", "<eos>"), "mistral": (MISTRAL, "<s>", "</s>"), "phi-3": (PHI_3, "<s>", "<|endoftext|>"),
    "thinking": (THINKING, "", "<|im_end|>"), "everything": (EVERYTHING, "<s>", "</s>"),
}


class Noon:
    """2 January 2030, whenever it is asked"""
    @staticmethod
    def now():
        return datetime(2030, 1, 2, 12)


chat_template_utils.datetime = Noon


def messages_of(conversation):
    return [{"role": role, "content": content} for role, content in conversation]


def text_or_none(source, conversation, prompt, tokens):
    try:
        return chat_template_utils.render_jinja_template([messages_of(conversation)], chat_template=source,
                                                         add_generation_prompt=prompt, **tokens)[0][0]
    except Exception as error:
        if type(error).__name__ not in ("TemplateError", "UndefinedError", "TypeError"):
            raise
        return None


def texts(source, tokens):
    return [[text_or_none(source, c, prompt, tokens) for prompt in (False, True)] for c in CONVERSATIONS]


def write(path, templates):
    document = {"conversations": [messages_of(c) for c in CONVERSATIONS],
                "templates": [{"name": n, "source": source, **tokens} for n, (source, tokens) in templates.items()],
                "texts": {name: texts(source, tokens) for name, (source, tokens) in templates.items()}}
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def template_of_gguf(path):
    from gguf import GGUFReader
    fields = GGUFReader(path).fields
    content = lambda key: fields["tokenizer." + key].contents() if "tokenizer." + key in fields else None
    tokens = content("ggml.tokens")
    ids = {name + "_token": content(f"ggml.{name}_token_id") for name in ("bos", "eos")}
    return content("chat_template"), {name: tokens[i] for name, i in ids.items() if i is not None}


def template_of_folder(path):
    config = json.loads((path / "tokenizer_config.json").read_text(encoding="utf-8"))
    source = config.get("chat_template")
    if isinstance(source, list):
        source = {each["name"]: each["template"] for each in source}["default"]
    if (path / "chat_template.jinja").exists():
        source = (path / "chat_template.jinja").read_text(encoding="utf-8")
    text = lambda token: token["content"] if isinstance(token, dict) else token
    return source, {n: text(config[n]) for n in ("bos_token", "eos_token", "pad_token", "unk_token") if config.get(n)}


def template_of(path):
    if path.suffix == ".jinja":
        return path.read_text(encoding="utf-8"), {"bos_token": "<s>", "eos_token": "</s>"}
    return template_of_gguf(path) if path.suffix == ".gguf" else template_of_folder(path)


def main():
    if len(sys.argv) == 1:
        write(HERE / "chats.json", {name: (source, {"bos_token": bos, "eos_token": eos})
                                    for name, (source, bos, eos) in TEMPLATES.items()})
    for path in map(Path, sys.argv[1:]):
        source, tokens = template_of(path)
        name = path.stem if path.suffix in (".gguf", ".jinja") else path.name
        if source:
            write(path.parent / (name + ".chats"), {name: (source, tokens)})
        else:
            print(f"{path}: no template")


main()

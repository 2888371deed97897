// Chat templates: the text that `transformers` writes, and the refusal of what is not built.
#include "chats.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

const std::filesystem::path golden = std::filesystem::path(TSRUN_SOURCE_DIR) / "tests" / "tokenizer" / "chats.json";

ChatTemplate of_source(const std::string& source) { return {with_template({{"source", source}}), "model.h5"}; }

std::string rendered(const std::string& source) { return render_chat(of_source(source), {{"user", "Hi"}}, true, 0); }

std::string refusal(const std::string& source) {
  try {
    return "not refused: " + rendered(source);
  } catch (const Error& e) {
    CHECK(e.exit() == Exit::request);
    CHECK(std::string(e.what()).find("model.h5") != std::string::npos);
    return e.what();
  }
}

std::string times(const char* part, int n) {
  std::string all;
  for (int i = 0; i < n; ++i) all += part;
  return all;
}

}  // namespace

TEST_CASE("ten conversations by each template are what transformers writes") {
  const nlohmann::json file = read_chats(golden);
  for (const auto& t : file["templates"]) compare_chats(file, t["name"], ChatTemplate(with_template(t), "chats.json"));
}

TEST_CASE("a template is known by the signs of its family") {
  const auto name = [](const std::string& source) { return of_source(source).name(); };
  const nlohmann::json file = read_chats(golden);
  for (const auto& t : file["templates"]) {
    const std::string family = t["name"] == "thinking" ? "chatml" : t["name"].get<std::string>();
    if (family != "everything") CHECK(name(t["source"]) == family);
  }
  CHECK(name("{{ 1 }}\x01\nsecond line") == "of its own, {{ 1 }}\\x01");
}

TEST_CASE("a construct that is not built is refused where it is reached, with its line") {
  CHECK(refusal("").find("no chat template") != std::string::npos);
  CHECK(refusal("a\n{% include 'x' %}").find("\"include\"") != std::string::npos);
  CHECK(refusal("a\n{% include 'x' %}").find("line of the template 2") != std::string::npos);
  CHECK(refusal("{{ 1 | wordwrap }}").find("\"wordwrap\"") != std::string::npos);
  CHECK(refusal("{{ 'a'.center(3) }}").find("\"center\"") != std::string::npos);
  CHECK(refusal("{{ messages is callable }}").find("\"callable\"") != std::string::npos);
  CHECK(refusal("{{ lipsum() }}").find("\"lipsum\"") != std::string::npos);
  CHECK(refusal("\xff").find("UTF-8") != std::string::npos);
  CHECK_THROWS_AS(render_chat(of_source("{{ 1 }}"), {{"user", "\xc3"}}, true), Error);
  CHECK(refusal("{{ messages }}").find("a list") != std::string::npos);
  CHECK(refusal("{{ raise_exception('no ' ~ 'chat') }}").find("no chat") != std::string::npos);
  CHECK(refusal("{{ nobody.content }}").find("undefined") != std::string::npos);
  CHECK(refusal("{{ 'a' + 1 }}").find("a text") != std::string::npos);
  CHECK(rendered("{% if tools %}{{ 1 | wordwrap }}{{ lipsum() }}{% endif %}{{ messages[0].content }}") == "Hi");
  CHECK(rendered("{{ strftime_now('%Y') }}").size() == 4);
}

TEST_CASE("what is no template is refused") {
  for (const char* bad : {"{{", "{{ 'a }}", "{% if 1 %}", "{% endif %}", "{% for x %}{% endfor %}", "{{ a b }}",
                          "{{ ) }}", "{{ 1 < 2 < 3 }}", "{% else %}", "{# no end", "{% set 1 = 2 %}", "{{ (1, 2) }}",
                          "{{ \x01 }}", "{{ a[1:2:3:4] }}", "{{ 12345678901 }}", "{% if 1 %}{% endfor %}", "{{ 1 if }}", "{%",
                          "{% %}", "{% macro m( %}{% endmacro %}"})
    CHECK(refusal(bad).find("chat template") != std::string::npos);
}

TEST_CASE("a template that takes without end is stopped") {
  const auto refuses = [](const std::string& source, const char* word) {
    CAPTURE(source.substr(0, 60));
    CHECK(refusal(source).find(word) != std::string::npos);
  };
  refuses("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "steps");
  refuses("{% set x = 'abcdefgh' %}" + times("{% set x = x + x %}", 60), "steps or text");
  refuses("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "macros");
  for (const std::string& deep : {times("(", 5000) + times(")", 5000), times("[", 5000) + times("]", 5000),
                                  "1" + times("+1", 5000), times("not ", 5000) + "1", "1" + times("|string", 5000),
                                  "a" + times(".a", 5000)})
    refuses("{{ " + deep + " }}", "deeply");
  refuses(times("{% if 1 %}", 5000), "deeply");
  refuses("{% if 1 %}" + times("{% elif 1 %}", 4000) + "{% endif %}", "deeply");
  refuses(times("{{ 1 }}", 20000), "long");
  CHECK(rendered(times("{% set x = [x] %}", 2000)) == "");
  refuses("{% set ns = namespace(a=1) %}{% set ns.a = [ns] %}", "namespace");
  refuses("{% set ns = namespace(a=[]) %}{% for i in range(100) %}{% set ns.a = [ns.a] %}{% endfor %}", "deep");
  refuses(times("{% set x = [x, x] %}", 45) + "{% set ns = namespace(x=x) %}", "steps");
  refuses("{% for i in range(9, 0, 0) %}{% endfor %}", "step");
}

TEST_CASE("a template that makes much of little is stopped before it has it") {
  // Eight megabytes of one letter, and a hundred thousand lists or texts in a list.
  const std::string x = "{% set x = 'aaaaaaaa' %}" + times("{% set x = x + x %}", 20);
  const std::string l = "{% set l = l + l %}", many = times(l.c_str(), 17);
  for (const std::string& much : {std::string("{{ x | replace('a', x) }}"), std::string("{{ x.split('a') }}"),
                                  std::string("{{ x | list | length }}"), std::string("{% for c in x %}{% endfor %}"),
                                  "{% set l = ['a'] %}" + many + "{{ l | join(x) }}", "{% set l = [x] %}" + many,
                                  "{{ '" + times("{}", 12) + "'.format(x" + times(", x", 11) + ") | length }}",
                                  "{% set l = [{'a': 'b'}] %}" + many + "{{ l | selectattr('a', 'in', x) | list }}"}) {
    CAPTURE(much.substr(0, 60));
    CHECK(refusal(x + much).find("steps or text") != std::string::npos);
  }
  const std::string pairs = "{% set l = 1 %}{% set m = 1 %}" + times("{% set l = [l, l] %}{% set m = [m, m] %}", 60);
  CHECK(refusal(pairs + "{{ l == m }}").find("steps or text") != std::string::npos);
  CHECK(refusal(x + "{{ x.strip(x) }}").find("stripped") != std::string::npos);
  CHECK(rendered(x + "{{ x + 'b' in x + x }}") == "False");
  CHECK(rendered(x + "{{ x[8388607] ~ x | first ~ x | last ~ x[8388608:] ~ x[-2:] }}") == "aaaaa");
}

TEST_CASE("characters of a text are counted, whatever their bytes") {
  CHECK(rendered("{% set x = 'h\u00e9llo' %}{{ x[1] ~ x[-1] ~ x[::-2] ~ x[9:] ~ x | last }}") == "\u00e9oolho");
  CHECK(rendered("{{ ['b', 'c'][-1] ~ [1, 2, 3][1:][0] ~ {'d': 1} | first ~ [] | first }}") == "c2d");
}

TEST_CASE("macros that call each other deep inside of an expression are stopped in time") {
  const std::string deep = times("not ", 150) + "m()";
  CHECK(refusal("{% macro m() %}{{ " + deep + " }}{% endmacro %}{{ m() }}").find("macros") != std::string::npos);
  const std::string nested = times("[", 60) + "m()" + times("]", 60);
  CHECK(refusal("{% macro m() %}{{ " + nested + " }}{% endmacro %}{{ m() }}").find("macros") != std::string::npos);
}

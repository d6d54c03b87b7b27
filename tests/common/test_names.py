"""Names of products are split between factors and found in any order of these."""

from bayesglmm.common.names import columns_text, factors, find, parameters_text


def test_names_of_products_are_taken_apart_between_factors_only() -> None:
    assert factors("a:b") == ("a", "b")
    assert factors("arm[T.1:2]:time") == ("arm[T.1:2]", "time")
    assert factors('C(t, Treatment("a:b"))[T.c]:x') == ('C(t, Treatment("a:b"))[T.c]', "x")
    assert factors("`a:b`:c") == ("`a:b`", "c")
    assert factors("x[T.it's]:y") == ("x[T.it's]", "y")
    assert factors("x[T.a]:b]") == ("x[T.a]:b]",)
    assert columns_text(["arm[T.1:2]:x", "f[T.[T.z]]", "`q[T.z]`"]) == ["arm[1:2] × x", "f[[T.z]]", "`q[T.z]`"]
    assert parameters_text(["beta[a:b]", "sd_id[a:b]", "phi", "risk[x: 1 - 0]"]) == [
        "beta[a × b]",
        "sd_id[a × b]",
        "phi",
        "risk[x: 1 - 0]",
    ]


def test_a_name_is_found_in_any_order_of_its_factors_and_as_figures_write_it() -> None:
    known = ["trt", "time", "trt:time", "sex[T.m]:C(arm)[T.b]"]
    assert find("time:trt", known) == "trt:time"
    assert find("time × trt", known) == "trt:time"
    assert find("C(arm)[T.b]:sex[T.m]", known) == find("arm[b] × sex[m]", known) == known[3]
    assert find("beta[time:trt]", ["beta[trt:time]", "beta[trt]"]) == "beta[trt:time]"
    assert find("trt:tim", known) is None
    assert find("b:a", ["a:b", "a[T.x]"]) == "a:b"
    assert find("q", ["C(q)[T.1]", "q[T.1]"]) is None

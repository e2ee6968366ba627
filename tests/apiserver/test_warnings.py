"""What may stand in a `Warning` header."""

from apiserver.answer import warning_headers


def test_each_once_and_quoted() -> None:
    assert warning_headers(['a "b" \\', "c", "c"]) == ['299 - "a \\"b\\" \\\\"', '299 - "c"']


def test_control_characters_stay_out_of_headers() -> None:
    assert warning_headers(["a\r\nSet-Cookie: b", "c\x00", "\x85", "d"]) == ['299 - "d"']


def test_many_long_ones_are_cut_and_then_left_out() -> None:
    few = ["x" * 2000, "y" * 2000]
    assert warning_headers(few) == [f'299 - "{text}"' for text in few]
    many = warning_headers(f"{number:04}{'x' * 996}" for number in range(100))
    assert len(many) == 16
    assert all(len(text) == len('299 - ""') + 256 for text in many)

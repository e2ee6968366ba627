"""Selectors of devices, as DeviceClasses and requests have them."""

from __future__ import annotations

import pytest

from cel.devices import device_selector
from cel.refusals import Refused, TooCostly


def test_device_selectors() -> None:
    program = device_selector(
        "device.driver == 'd.example.com' && device.attributes['d.example.com'].size == 'big' && "
        "device.capacity['d.example.com'].memory.compareTo(quantity('1Gi')) >= 0"
    )
    assert str(program.type) == "bool"
    assert device_selector("cel.bind(of, device.attributes['d'], of.a && of.b)")
    with pytest.raises(Refused, match="undefined field 'name'"):
        device_selector("device.name == 'a'")
    with pytest.raises(Refused, match="must evaluate to bool or the unknown type, not string"):
        device_selector("device.driver")
    everything = (
        "device.attributes.all(a, device.attributes.all(b, device.attributes.all(c, device.attributes.all(d, a != b))))"
    )
    with pytest.raises(TooCostly, match="too complex, exceeds cost limit"):
        device_selector(everything)

"""How QGIS shows the values of fields in forms and tables: codes in words, no false decimals."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from heliopolis.legend import word
from heliopolis.variables import Variable, codes, layer_fields

#: Decimals by unit; finer ones would pretend a precision that no result has.
_DECIMALS = {
    "K": 1, "degC": 1, "m": 1, "deg": 0, "%": 0, "m2": 0, "W": 0, "kWp": 1, "EUR": 0,
    "EUR/year": 0, "EUR/kWh": 3, "kg/year": 0, "kWh/year": 0, "kWh/month": 0, "kWh/kWp/year": 0,
    "kWh/m2/year": 0, "year": 0, "years": 1,
}  # fmt: skip
#: Of shares and other pure numbers, and of units that are not listed.
_OTHER_DECIMALS = 2
_FINE = {"p_value": 4, "q_value": 4, "fit_rms_m": 3}
#: What QGIS's widget of codes takes for NULL.
_NULL = "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}"


def decimals(one: Variable) -> int:
    """Decimals with which a field is shown."""
    if one.dtype == "int":
        return 0
    return _FINE.get(one.field, _DECIMALS.get(one.unit, _OTHER_DECIMALS))


def widgets(layer: str, language: str) -> ET.Element:
    """The element ``fieldConfiguration`` of a layer's style."""
    root = ET.Element("fieldConfiguration")
    for name, one in layer_fields(layer).items():
        words = _words(layer, one, language)
        if words:
            _value_map(root, name, words)
        elif one.dtype in ("float", "int"):
            _number(root, name, decimals(one))
        elif name.endswith("_method"):
            _option(_widget(root, name, "TextEdit"), "IsMultiline", "true", "bool")
    return root


def _words(layer: str, one: Variable, language: str) -> dict[str, str]:
    """Values that are shown in words, value to text."""
    if one.dtype == "bool":
        return {"true": word("yes", language), "false": word("no", language),
                _NULL: word("unknown", language)}  # fmt: skip
    return codes(layer, one.field, language)


def _value_map(root: ET.Element, name: str, words: dict[str, str]) -> None:
    listed = ET.SubElement(_widget(root, name, "ValueMap"), "Option", type="List", name="map")
    for code, text in words.items():
        _option(ET.SubElement(listed, "Option", type="Map"), text, code, "QString")


def _number(root: ET.Element, name: str, digits: int) -> None:
    options = _widget(root, name, "Range")
    _option(options, "Precision", str(digits), "int")
    _option(options, "AllowNull", "true", "bool")
    _option(options, "Style", "SpinBox", "QString")
    _option(options, "Min", "-1000000000", "int")
    _option(options, "Max", "1000000000", "int")


def _widget(root: ET.Element, name: str, kind: str) -> ET.Element:
    """Options of the widget of a field."""
    widget = ET.SubElement(ET.SubElement(root, "field", name=name), "editWidget", type=kind)
    return ET.SubElement(ET.SubElement(widget, "config"), "Option", type="Map")


def _option(parent: ET.Element, name: str, value: str, kind: str) -> None:
    ET.SubElement(parent, "Option", name=name, value=value, type=kind)

"""Reading of XML that another program printed. It may be anything."""

from xml.etree.ElementTree import Element

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from halab.kit.errors import LabError


def parse_xml(text: str) -> Element:
    """Return the root element. Raises LabError when the text is not XML, or is XML that defines entities."""
    try:
        root: Element = fromstring(text)
    except (ParseError, DefusedXmlException) as error:
        raise LabError(f"expected XML, and found something else: {error}") from error
    return root

"""CVSS vectors and the probability of an exploit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.twin.attack.techniques import PARAMETERS, TECHNIQUES
from tocsin.twin.attack.weaknesses import CWE_PROFILES, opens_host, parse_cvss, probability_of_exploit
from tocsin.twin.graph import TwinError, Weakness

LOG4SHELL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"


@pytest.mark.parametrize(
    ("vector", "score"),
    [  # FIRST, "CVSS v3.1: Examples", and the NVD
        (LOG4SHELL, 10.0),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),  # CVE-2013-1937
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),  # CVE-2013-0375
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1),  # CVE-2014-3566
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9),  # CVE-2012-1516
        ("CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:U/C:L/I:L/A:L", 4.2),  # CVE-2009-0783
        ("CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 8.8),  # CVE-2011-1265
        ("CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 6.8),  # CVE-2014-2005
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5),  # CVE-2014-0160
        ("CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:C/C:H/I:H/A:H", 8.6),  # CVE-2024-21626
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
    ],
)
def test_base_scores_are_those_of_the_specification(vector: str, score: float) -> None:
    """The base score formula gives published scores."""
    assert parse_cvss(vector).base_score == score


@pytest.mark.parametrize(
    ("vector", "told"),
    [
        ("AV:N/AC:L/Au:N/C:P/I:P/A:P", "version 3.1"),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "version 3.1"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H", "lacks A"),
        ("CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", "'AV:X'"),
        ("CVSS:3.1/AV:N/AV:L/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", "AV twice"),
    ],
)
def test_a_bad_vector_names_weakness_asset_and_mend(vector: str, told: str) -> None:
    """Whoever reads the message knows which line to mend, and how."""
    with pytest.raises(TwinError) as error:
        probability_of_exploit(Weakness("CVE-2021-44228", "shop/container/web", vector))
    message = str(error.value)
    assert told in message and "CVE-2021-44228" in message and "shop/container/web" in message and "\n" not in message


def test_epss_as_a_percentage_is_refused() -> None:
    """A percentage in place of a probability is told, not clipped."""
    with pytest.raises(TwinError, match="give 0 to 1"):
        probability_of_exploit(Weakness("CVE-2021-44228", "shop/container/web", LOG4SHELL, epss=97.0))


vectors = st.builds(
    "CVSS:3.1/AV:{}/AC:{}/PR:{}/UI:{}/S:{}/C:{}/I:{}/A:{}".format,
    *(st.sampled_from(letters) for letters in ("NALP", "LH", "NLH", "NR", "UC", "HLN", "HLN", "HLN")),
)


@given(vectors, st.none() | st.floats(0, 1))
def test_known_exploitation_never_lowers(vector: str, epss: float | None) -> None:
    """KEV raises the probability or leaves it, and it stays a probability; its parameter is on record."""
    plain, name = probability_of_exploit(Weakness("CVE-1", "a", vector, epss=epss))
    known, _ = probability_of_exploit(Weakness("CVE-1", "a", vector, epss=epss, kev=True))
    assert 0 < plain <= known <= 1
    assert name in PARAMETERS


@given(vectors, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_epss_never_lowers(vector: str, one: float, other: float) -> None:
    """The probability grows with EPSS."""
    low, high = (probability_of_exploit(Weakness("CVE-1", "a", vector, epss=epss))[0] for epss in sorted((one, other)))
    assert low <= high


def test_tables_are_consistent() -> None:
    """Every parameter lies in its range and says where it comes from; every misconfiguration has one."""
    for parameter in PARAMETERS.values():
        assert 0 < parameter.low <= parameter.value <= parameter.high <= 1 and parameter.source
    assert all(f"exploit.{cwe}" in PARAMETERS for cwe in CWE_PROFILES)
    assert all(name.removeprefix("success.") in TECHNIQUES for name in PARAMETERS if name.startswith("success."))


def test_a_privileged_container_opens_its_host_and_an_unknown_cwe_does_nothing() -> None:
    """CWE-250 is an escape; a CWE that the table does not know gives probability 0."""
    assert opens_host(Weakness("CWE-250", "a"))
    assert probability_of_exploit(Weakness("CWE-9999", "a")) == (0.0, "")

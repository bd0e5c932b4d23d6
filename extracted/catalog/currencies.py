"""The currencies a product may be priced in, and how fine their amounts are (ISO 4217)."""

from __future__ import annotations

from decimal import Decimal

_CODES: dict[int, str] = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD "
        "CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
        "GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL "
        "MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN "
        "PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
        "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

DECIMALS: dict[str, int] = {
    code: decimals for decimals, codes in _CODES.items() for code in codes.split()
}
"""How many decimals an amount in each currency has."""


def exact(amount: Decimal, currency: str) -> Decimal | None:
    """The amount with as many decimals as its currency has; None if that would lose something."""
    unit = Decimal(1).scaleb(-DECIMALS[currency])
    quantized = amount.quantize(unit)
    return quantized if quantized == amount else None

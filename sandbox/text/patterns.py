"""Identifiers that have a shape: the categories of 45 CFR 164.514(b)(2)(i) that a regular expression can tell.

Each pattern is linear in the length of the text: no nested repetition.
"""

from __future__ import annotations

import re

MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:t(?:ember)?)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
DAY = r"(?:[12]\d|3[01]|0?[1-9])"
STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Square|Sq|Terrace|Ter|Trail|Trl|Way"
    r"|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Alley|Row|Loop|Isle|Walk|Grove|Meadows?|Forest|Park|Parks|Ridge|Hills?|Hollow|Glen"
    r"|Knolls?|Crossing|Plaza|Landing|Creek|Island|Islands|Bridge|Harbors?|Station|Summit|View|Views|Village|Vista|Mews|Close"
    r"|Crescent|Gardens?|Green|Heights|Lodge|Manor|Mill|Mills|Mount|Mountains?|Orchard|Oval|Pass|Path|Pike|Pine|Pines|Plains?"
    r"|Points?|Port|Ports|Prairie|Ramp|Ranch|Rapids?|Rest|River|Roads|Route|Run|Shoals?|Shores?|Skyway|Springs?|Spur|Spurs"
    r"|Squares|Stravenue|Stream|Throughway|Trace|Track|Trafficway|Tunnel|Turnpike|Underpass|Unions?|Valleys?|Via|Viaduct"
    r"|Villages|Ville|Walks|Wall|Ways|Wells?|Bayou|Beach|Bend|Bluffs?|Bottom|Branch|Brooks?|Burgs?|Bypass|Camp|Canyon|Cape"
    r"|Causeway|Centers?|Circles|Cliffs?|Club|Common|Corners?|Course|Courts|Coves?|Crest|Crossroad|Curve|Dale|Dam|Divide|Drives"
    r"|Estates?|Expressway|Extensions?|Falls?|Ferry|Fields?|Flats?|Fords?|Forges?|Forks?|Fort|Freeway|Gateway|Greens|Groves"
    r"|Haven|Inlet|Junctions?|Keys?|Lakes?|Light|Lights|Locks?|Mission|Motorway|Neck|Overpass|Parkways|Passage|Mall|Radial)"
)

# name -> (kind, expression); the first group, where there is one, is the identifier.
PATTERNS: dict[str, tuple[str, str]] = {
    "iso date": ("DATE", r"\b(?:1[89]|20)\d\d[-/.](?:1[0-2]|0?[1-9])[-/.]" + DAY + r"(?:[T ]\d\d:\d\d(?::\d\d)?Z?)?\b"),
    "numeric date": ("DATE", r"\b(?:" + DAY + r"|1[0-2])[-/.](?:" + DAY + r"|1[0-2])[-/.](?:(?:1[89]|20)\d\d|\d\d)\b"),
    "partial date": ("DATE", r"(?<![\d/.-])(?:1[0-2]|0?[1-9])/" + DAY + r"(?![\d/%]|\s*(?:mm|mg|pain|strength|out))\b"),
    "spelled date": ("DATE", r"\b" + MONTH + r"\s+" + DAY + r"(?:st|nd|rd|th)?(?:,?\s+(?:1[89]|20)\d\d)?\b"),
    "day month": ("DATE", r"\b" + DAY + r"(?:st|nd|rd|th)?\s+(?:of\s+)?" + MONTH + r"(?:,?\s+(?:1[89]|20)\d\d)?\b"),
    "month year": ("DATE", r"\b" + MONTH + r",?\s+(?:of\s+)?(?:1[89]|20)\d\d\b"),
    "compact date": ("DATE", r"\b" + DAY + r"-?(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)-?(?:(?:19|20)\d\d|\d\d)\b"),
    "ssn": ("SSN", r"\b\d{3}[- ]\d{2}[- ]\d{4}\b"),
    "phone": (
        "PHONE",
        r"(?<![\w.-])(?:\+\d{1,3}[-. ]?)?(?:\(\d{2,4}\)\s?|\d{2,4}[-. /])\d{3,4}[-. ]\d{3,4}(?:\s?(?:x|ext\.?)\s?\d{1,5})?(?![\w-])",
    ),
    "international phone": ("PHONE", r"(?<![\w.])\+\d{1,3}(?:[-. ()]{0,2}\d){7,12}\b"),
    "local phone": ("PHONE", r"(?<![\w.-])\d{3}[-.]\d{4}(?![\w.-])"),
    "email": ("EMAIL", r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+"),
    "url": ("URL", r"\b(?:https?://|www\.)[^\s<>\")]+"),
    "bare host": ("URL", r"\b[a-z0-9-]+\.(?:com|org|net|info|biz|edu|gov|io)(?:/[^\s<>\")]*)?\b"),
    "ip": ("IP", r"\b(?:\d{1,3}\.){3}\d{1,3}\b"),
    "ipv6": ("IP", r"\b(?:[0-9A-Fa-f]{1,4}:){4,7}[0-9A-Fa-f]{1,4}\b"),
    "mac": ("DEVICE", r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b"),
    "card": ("ACCOUNT", r"\b(?:\d{4}[ -]){3}\d{1,7}\b"),
    "iban": ("ACCOUNT", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"),
    "vin": ("VEHICLE", r"\b(?=[A-HJ-NPR-Z0-9]*\d)[A-HJ-NPR-Z0-9]{17}\b"),
    "long number": ("ID", r"(?<![\w.])\d{7,}(?![\w.]\d)"),
    "letters and digits": ("ID", r"\b(?=[A-Z0-9-]{6,24}\b)(?:[A-Z]{1,5}-?)(?:\d[A-Z0-9]*-?){1,5}\d{3,}[A-Z0-9]*\b"),
    "after a label": (
        "ID",
        r"(?i:\b(?:MRN|medical record(?: number| no)?|chart|record|account|acct|policy|plan|member|subscriber|group|licen[sc]e"
        r"|DEA|NPI|serial|device|SN|S/N|plate|tag|passport|certificate|case|claim|invoice|badge|ID|UDI|VIN)(?: ?(?:id|no|number))?"
        r"\.?)[ \t]*[:=#]*[ \t]*#?((?=[A-Z0-9-]*\d)[A-Z0-9][A-Z0-9-]{3,})\b",
    ),
    "plate": ("VEHICLE", r"(?i:\b(?:plates?|registration|reg)\b)[ \t:#]*((?=[A-Z0-9 -]*\d)[A-Z0-9]{1,4}[ -]?[A-Z0-9]{2,4})\b"),
    "age over 89": ("AGE", r"\b(9\d|1[01]\d)(?=[- ]?(?:years?|yrs?|y/?o|yo)\b)"),
    "aged over 89": ("AGE", r"(?i:\bage[d]?:?\s*)(9\d|1[01]\d)\b"),
    "street": (
        "GEO",
        r"\b\d{1,6}[A-Za-z]?(?:\s+[NSEW]\.?)?(?:\s+[A-Z][\w'.-]*){1,4}?\s+" + STREET + r"\b\.?"
        r"(?:,?\s+(?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|Rm|#)\.?\s*#?[\w-]+)?",
    ),
    "unit": ("GEO", r"\b(?:Apt|Apartment|Suite|Ste|Unit)\.?\s*#?\d[\w-]*"),
    "po box": ("GEO", r"\bP\.?\s?O\.?\s+Box\s+\d+"),
    "state and zip": ("GEO", r"\b[A-Z]{2}\s+\d{5}(?:-\d{4})?\b"),
    "zip": ("GEO", r"(?i:\bzip(?: code)?)[ \t:]*(\d{5}(?:-\d{4})?)\b"),
    "city before state": ("GEO", r"\b((?:[A-Z][\w'.-]+\s){0,2}[A-Z][\w'.-]+),\s+[A-Z]{2}(?:\s+\d{5}(?:-\d{4})?)?\b"),
}

NAME = r"[^\W\d_][^\W\d_'’.-]*(?:['’.-][^\W\d_]+)*"
CAPITAL = r"(?=[^\W\d_a-zà-öø-ÿ])" + NAME
NAMES = CAPITAL + r"(?:[ ]+(?:[A-Z]\.?|(?:van|von|de|der|den|la|le|da|di|del|bin|al)\b|" + CAPITAL + r")){0,3}"
TITLED: tuple[str, ...] = (
    r"\b(?:Dr|Drs|Mr|Mrs|Ms|Miss|Prof|Professor|Doctor|Nurse|Sr|Rev|RN|Sister|Judge|Capt|Sgt|Lt)\b\.?[ ]+(" + NAMES + r")",
    r"(?i:\b(?:patient(?: name)?|pt|name|attending|provider|physician|nurse|surgeon|signed(?: by)?|author|dictated by|seen by|cc"
    r"|contact|emergency contact|next of kin|guardian|caller|spouse|husband|wife|son|daughter|mother|father|brother|sister"
    r"|referred by|reviewed by|from|to|attn|insured|subscriber|guarantor|pcp|interpreter|employer))[ \t]*[:=][ \t]*("
    + NAMES
    + r")",
    r"(?i:\b(?:husband|wife|son|daughter|mother|father|brother|sister|spouse|partner|aunt|uncle|niece|nephew|friend|neighbou?r"
    r"|caregiver|grandson|granddaughter))(?:[ ]+(?:is|was|named|of))?[ ,(]+(" + NAMES + r")",
    r"(?i:\b(?:spoke (?:to|with)|called|name is|known as|signed by|seen by|dictated by|accompanied by|lives with|per))[ ]+("
    + NAMES
    + r")",
    r"(" + NAMES + r")(?=,?[ ]+(?:MD|M\.D\.|DO|RN|NP|PA-C|PA|LPN|PhD|DDS|PharmD|LCSW|MSW|FNP|CRNA)\b)",
    r"("
    + NAMES
    + r")(?=[ ]+\((?:his|her|their|the)?[ ]?(?:husband|wife|son|daughter|mother|father|brother|sister|spouse|partner))",
)

COMPILED = [(name, kind, re.compile(expression)) for name, (kind, expression) in PATTERNS.items()]
COMPILED_TITLED = [re.compile(expression) for expression in TITLED]

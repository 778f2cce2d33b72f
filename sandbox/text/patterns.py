"""Identifiers that have a shape: the categories of 45 CFR 164.514(b)(2)(i) that a regular expression can tell.

Each pattern is linear in the length of the text: no nested repetition over the same characters.
"""

from __future__ import annotations

import re

MONTH = (
    r"(?i:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:t(?:ember)?)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
ORDINAL = (
    r"(?i:(?:twenty[- ]|thirty[- ])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|tenth|eleventh|twelfth"
    r"|thirteenth"
    r"|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth)"
)
YEAR = r"(?:1[89]\d\d|20\d\d)"
YEARS = r"(?:,?\s+(?:of\s+)?(?:" + YEAR + r"|['’]\d\d)\b)?"
DAY = r"(?:[12]\d|3[01]|0?[1-9])"
NOT_A_DOSE = r"(?!\d|[.,]\d|\s*(?:mg|mcg|ml|mL|units?|%|x\b|times|hours|days|weeks|months|years|of \d))"
NOT_A_SCORE = (
    r"(?![\d/%]|\.\d|\s*(?:mm|mg|pain|strength|out|motor|power|for|systolic|murmur|beats|points?|tablets?|in severity"
    r"|intensity))"
)
STREET = (
    r"(?:Street|Str|St|Avenue|Ave|Av|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Square|Sq|Terrace|Ter|Trail"
    r"|Trl|Way"
    r"|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Alley|Row|Loop|Isle|Walk|Grove|Meadows?|Forest|Park|Parks|Ridge|Hills?|Hollow|Glen"
    r"|Knolls?|Crossing|Plaza|Landing|Creek|Islands?|Bridge|Harbors?|Station|Summit|Views?|Village|Vista|Mews|Close"
    r"|Crescent|Gardens?|Green|Heights|Lodge|Manor|Mills?|Mount|Mountains?|Orchard|Oval|Pass|Path|Pike|Pines?|Plains?"
    r"|Points?|Ports?|Prairie|Ramp|Ranch|Rapids?|Rest|River|Roads|Route|Run|Shoals?|Shores?|Skyway|Springs?|Spurs?"
    r"|Squares|Stravenue|Stream|Throughway|Trace|Track|Trafficway|Tunnel|Turnpike|Underpass|Unions?|Valleys?|Via|Viaduct"
    r"|Villages|Ville|Walks|Wall|Ways|Wells?|Bayou|Beach|Bend|Bluffs?|Bottom|Branch|Brooks?|Burgs?|Bypass|Camp|Canyon|Cape"
    r"|Causeway|Cent(?:er|re)s?|Circles|Cliffs?|Club|Common|Corners?|Course|Courts|Coves?|Crest|Crossroad|Curve|Dale|Dam|Divide"
    r"|Drives|Estates?|Expressway|Extensions?|Falls?|Ferry|Fields?|Flats?|Fords?|Forges?|Forks?|Fort|Freeway|Gateway|Greens"
    r"|Groves|Haven|Inlet|Junctions?|Keys?|Lakes?|Lights?|Locks?|Mission|Motorway|Neck|Overpass|Parkways|Passage|Mall|Radial)"
)
PLAIN_STREET = (
    r"(?:street|str|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|place|pl|square|sq|terrace|trail|trl|way"
    r"|parkway|pkwy|highway|hwy|circle|cir|crescent|close)"
)
# Street words of other languages, as a word before the name or as the end of the word.
_ROADS_BEFORE = (
    "rua r rue plac pl aleje os osiedle rondo platz torg pátio praia vila ladeira quadra sítio parque loteamento "
    "núcleo conjunto viela ruelle cours vico lungomare strada nábřeží třída sídliště đường phố via viale vicolo "
    "calle c/ avenida av avda avenue ave piazza plaza praça largo travessa estrada corso ulica ul aleja al carrera "
    "cra carretera camino paseo jalan jln chemin impasse allée boulevard bd quai place route str bulevardul calea "
    "soseaua rruga trg nám náměstí cesta prolongación privada callejón andador circuito cerrada hacienda rodovia "
    "alameda"
)
ROADS_BEFORE = _ROADS_BEFORE.split()
ROAD_BEFORE = "(?i:" + "|".join(ROADS_BEFORE) + ")"
_ROAD_ENDINGS = (
    "straße strasse str. gasse weg platz allee ring damm ufer vej vænget vænge gade gata gatan gate vägen väg veien "
    "vei katu tie kuja polku rinne raitti stræti vegur laan straat plein kade dijk gracht pad hof terrasse steeg "
    "singel allé bulevardi torget toget plads veg bakken marken utca út tér"
)
ROAD_ENDINGS = _ROAD_ENDINGS.split()
ROAD_ENDING = "(?i:" + "|".join(f"(?<={re.escape(ending)})" for ending in ROAD_ENDINGS) + ")"
UNIT = r"(?:,?\s+(?i:Apt|Apto|Apartment|Piso|Depto|Suite|Ste|Unit|Floor|Fl|Room|Rm|Flat|Door|Box|#)\.?\s*#?\w[\w-]{0,8})?"
# Bounded: a word is tried from each of its letters, so an unbounded one would cost the square of its length.
WORD = r"[^\W\d_][\w'’.-]{0,40}"
CAPITAL = r"(?=[^\W\d_])[^\Wa-zß-öø-ÿ\d_][\w'’.-]{0,40}"
PLOT = r"(?:house|village|block|plot|villa|bungalow|sector|street|tower)[ \t]?#?\d{1,4}[a-z]?"
CROSS = r"\d{1,3}(?:st|nd|rd|th)[ \t]+(?:main|cross|block)"
NUMBER_LAST = r"(?:" + CAPITAL + r"[ \t]+(?:[^\W\d_]{2,12}[ \t]+)?){1,4}\d{1,4}[A-Za-z]?"
ID_LABEL = (
    r"(?i:\b(?:MRN|hosp(?:ital)?\.?|unit|med(?:ical)? ?rec(?:ord)?|chart|record|account|acct|a/c|policy|plan"
    r"|member(?:ship)?|subscriber|group"
    r"|beneficiary"
    r"|licen[sc]e|lic|DL|DEA|NPI|serial|device|implant|lot|SN|S/N|plate|tag|passport|certificate|cert|case|claim|invoice"
    r"|badge|ID|UDI"
    r"|VIN|insurance|HIC|MBI|card|PAN|IBAN|BIC|SWIFT|routing|sort code|reference|ref|order|ticket|employee|student|national"
    r"|NHS|NI|TIN"
    r"|tax|EIN|SSN|ssn|encounter|visit|accession|specimen|patient|registration)(?:[_ -]?(?:id|no|nr|num|number|code|#))*)"
)

# name -> (kind, expression); the first group that matched, where there is one, is the identifier.
PATTERNS: dict[str, tuple[str, str]] = {
    "iso date": (
        "DATE",
        r"\b" + YEAR + r"[-/.](?:1[0-2]|0?[1-9])[-/.]" + DAY + r"(?!\d)(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?)?",
    ),
    "numeric date": (
        "DATE",
        r"(?<![\d/])(?<!\d\.)(?:" + DAY + r"|1[0-2])(?P<s>[-/.])(?:" + DAY + r"|1[0-2])(?P=s)(?:" + YEAR + r"|\d\d)(?![\d/])",
    ),
    "spaced date": ("DATE", r"(?<![\d/])(?<!\d\.)" + DAY + r" ?[/.-] ?" + DAY + r" ?[/.-] ?" + YEAR + r"(?!\d)"),
    "partial date": ("DATE", r"(?<![\d/-])(?<!\d\.)(?:1[0-2]|0?[1-9])/" + DAY + NOT_A_SCORE),
    "month/year": ("DATE", r"(?<![\d/-])(?<!\d\.)(?:1[0-2]|0?[1-9])[/-]" + YEAR + r"(?![\d/-])"),
    "spelled date": (
        "DATE",
        r"\b" + MONTH + r"(?:\s+the)?\s+(?:" + DAY + r"(?:st|nd|rd|th)?|" + ORDINAL + r")\b" + NOT_A_DOSE + YEARS,
    ),
    "day month": ("DATE", r"\b(?:" + DAY + r"(?:st|nd|rd|th)?|" + ORDINAL + r")(?:\s+day)?[\s-]+(?:of\s+)?" + MONTH + YEARS),
    "month year": ("DATE", r"\b" + MONTH + r",?[\s-]+(?:of\s+)?(?:" + YEAR + r"|['’]\d\d)\b"),
    "compact date": (
        "DATE",
        r"\b" + DAY + r"[-/. ]?(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)[-/. ]?(?:" + YEAR + r"|\d\d)\b",
    ),
    "ssn": ("SSN", r"(?<![\d-])\d{3}[- .]\d{2}[- .]\d{4}(?![\d-])"),
    "labelled ssn": (
        "SSN",
        r"(?i:\b(?:ssn|social security)[\w ]{0,12}?)[ \t:=#]*(?:last (?:4"
        r"|four)[ \t:]*)?((?:[\dXx*]{3}[- ]?[\dXx*]{2}[- ]?)?\d{4})\b",
    ),
    "ending": (
        "ACCOUNT",
        r"(?i:\b(?:ending|ends|ended)(?: (?:in|on|with))?|\blast (?:4|four)(?: digits)?(?: (?:is|are|of))?)[ \t:]+(\d{4})\b",
    ),
    "labelled phone": (
        "PHONE",
        r"(?i:\b(?:phone|tel|telephone|mobile|cell|fax|pager|call|callback|contact|whatsapp|ph|office|home|work|dial)\b)"
        r"[\w.#()]{0,12}[ \t:=.#-]*(\+?[\d(][\d ().-]{5,18}\d(?:\s?(?:x|ext\.?)\s?\d{1,6})?)",
    ),
    "pager": ("PHONE", r"(?i:\b(?:pager|pgr|bleep|beeper|extension|ext)\b)[ .:#=]{0,4}(\d[\d-]{2,7}\d)\b"),
    "email": ("EMAIL", r"(?<![\w.+'%-])[\w.+'%-]++@[\w-]++(?:\.[\w-]++)++"),
    "spelled email": (
        "EMAIL",
        r"(?<![\w.+-])[\w.+-]++\s?(?:\[at\]|\(at\)| at )\s?[\w-]{1,64}"
        r"\s?(?:\[dot\]|\(dot\)| dot |\.)\s?(?:com|org|net|edu|example)\b",
    ),
    "url": ("URL", r"(?i:\b(?:https?://|www\.))[^\s<>\")]+"),
    "bare host": (
        "URL",
        r"(?<![\w@.-])(?:[a-z0-9-]++\.)+(?:com|org|net|info|biz|edu|gov|io|example|health|test|co\.uk|de|fr)\b(?:/[^\s<>\")]*)?",
    ),
    "handle": ("URL", r"(?<![\w@.])@[A-Za-z_][\w.]{2,30}"),
    "ip": ("IP", r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]\d)"),
    "ipv6": (
        "IP",
        r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){3,7}(?::?[0-9A-Fa-f]{1,4})(?![\w:])"
        r"|(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){1,6}:(?:[0-9A-Fa-f]{1,4}:?){1,6}(?!\w)",
    ),
    "mac": ("DEVICE", r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b"),
    "card": ("ACCOUNT", r"\b(?:\d{4}[ -]){2,4}\d{1,7}\b|\b3[47]\d\d[ -]\d{6}[ -]\d{5}\b"),
    "iban": ("ACCOUNT", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"),
    "wallet": ("ACCOUNT", r"\b(?:bc1[a-z0-9]{20,60}|0x[0-9a-fA-F]{40}|[13][1-9A-HJ-NP-Za-km-z]{25,34})\b"),
    "vin": ("VEHICLE", r"\b(?=[A-HJ-NPR-Z0-9]*\d)[A-HJ-NPR-Z0-9]{17}\b"),
    "long number": ("ID", r"(?<!\w)(?<!\d\.)\d{7,}(?![\w.]\d)"),
    "hyphened number": ("ID", r"(?<![\w/-])(?<!\d\.)\d{2,6}(?:[-.]\d{2,7}){1,4}(?:-\d{1,6})?(?![\w/]|[-.]\d)"),
    "letters and digits": ("ID", r"(?i:\b(?=[A-Z]{1,5}-?\d)[A-Z]{1,5}-?\d[A-Z0-9]*(?:-[A-Z0-9]+){0,4}(?![A-Z0-9-]))"),
    "odd code": ("ID", r"(?<![\w.@/#-])(?=[\w/.#-]*[A-Za-z])[A-Za-z0-9]{1,12}(?:[-/._#][A-Za-z0-9]{1,12}){1,5}(?![\w@])"),
    "national insurance": ("ID", r"\b[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]\b"),
    "uuid": ("ID", r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"),
    "after a label": (
        "ID",
        ID_LABEL + r"(?:[ \t]+(?:is|was|of|ending(?: in)?|on file|reads?))?[ \t]*[:=#|.\u2026]*[\"' \t]*#?"
        r"((?=[A-Za-z0-9/.-]*\d)[A-Za-z0-9](?:[A-Za-z0-9/-]|\.(?=\w)){3,}(?:[ -]\d{2,6}\b(?!/)){0,4}"
        r"|[A-Z]?\d{2,3}(?:[ -]\d{2,5}\b(?!/)){1,4})\b",
    ),
    "plate": (
        "VEHICLE",
        r"(?i:\b(?:(?:licen[sc]e )?plates?|registration|reg|tag|vehicle|car)\b(?: (?:no|number|is|was"
        r"|with))*)[ \t.:#=|\"']*(?:(?i:plates?)[ \t.:#=|]*)?"
        r"((?=[A-Z0-9 ·-]*\d)(?=[A-Z0-9 ·-]*[A-Z])[A-Z0-9]{1,7}(?:[ ·-][A-Z0-9]{1,7}){0,3})\b",
    ),
    "age over 89": ("AGE", r"\b(9\d|1[01]\d)(?=(?:[- ]?(?:years?|yrs?|y/?o|y\.o|yo)\b)|[ ]?(?:[MF]\b|(?:male|female)\b))"),
    "aged over 89": (
        "AGE",
        r"(?i:\b(?:age[d]?|turn(?:ed|ing|s)|at the age of)(?: is| was)?[:= ]\s*)(9\d|1[01]\d)\b(?![.%/]\d|%)",
    ),
    "age of a person": (
        "AGE",
        r"(?i:\b(?:(?:grand|great-?grand)?(?:mother|father|parents?)|aunt|uncle|patient|she|he|who|wife|husband|died"
        r"|passed away|deceased|lived|now)"
        r"(?: (?:is|was|at|to|aged?|turned|died|the age of|of age))*[, ]+)(9\d|1[01]\d)\b(?![.%/:]\d|%| ?(?:mg|bpm|kg|cm|mm"
        r"|lbs?)|[ ]?/)",
    ),
    "spelled age": (
        "AGE",
        r"(?i:\b((?:ninety|(?:one )?hundred)(?:[- ](?:and[- ])?\w+)?)(?=[- ]years?\b))",
    ),
    "street": (
        "GEO",
        r"\b\d{1,6}[A-Za-z]?(?:[ \t]+[NSEW]{1,2}\.?)?(?:[ \t]+(?:\d{1,6}(?:st|nd|rd|th)?|"
        + CAPITAL
        + r")){1,5}?[ \t]+"
        + STREET
        + r"\b\.?(?:[ \t]+[NSEW]{1,2}\b\.?)?"
        + UNIT,
    ),
    "plain street": (
        "GEO",
        r"(?i:\b(?:(?:flat|studio|apartment|apt|unit"
        r"|suite)\.?[ \t]+)?\d{1,6}(?:/\d{1,6})?[a-z]?,?(?:[ \t]+[nsew]{1,2}\.?)?(?:[ \t]+(?:\d{1,3}(?:st|nd|rd|th)|"
        + WORD
        + r")){1,3}?[ \t]+(?:"
        + PLAIN_STREET
        + r"|"
        + STREET
        + r")\b\.?)"
        + UNIT,
    ),
    "named street": (
        "GEO",
        r"\b(?:" + CAPITAL + r"[ \t]+){1,3}?(?:Street|Avenue|Road|Lane|Drive|Boulevard|Blvd|Court|Terrace|Parkway|Highway"
        r"|Crescent)\b(?:[ \t]+\d{1,6}\b)?" + UNIT,
    ),
    "road before": (
        "GEO",
        r"(?:\b\d{1,6}[A-Za-z]?,?[ \t]+)?\b"
        + ROAD_BEFORE
        + r"\b\.?(?:[ \t]+(?:(?i:de|da|do|dos|das|del|della|di|du|des|la|las|los|le|les|al|l')[ \t]+)*"
        + CAPITAL
        + r"){1,4}(?:,?[ \t]+(?i:n[º°.]?[ \t]*)?\d{1,6}[A-Za-z]?\b)?"
        + UNIT,
    ),
    "road ending": (
        "GEO",
        r"(?:\b\d{1,6}[ \t]+)?(?<![\w'’-])(?:"
        + CAPITAL
        + r"[ \t]+){0,2}[^\W\d_][\w'’-]{1,40}+\.?(?=[ \t]+\d)"
        + ROAD_ENDING
        + r"[ \t]+\d{1,6}[A-Za-z]?\b",
    ),
    "road word": (
        "GEO",
        r"(?:\b\d{1,6}[ \t]+)?\b(?:"
        + CAPITAL
        + r"[ \t]+){1,3}(?i:utca|u\.|út|útja|tér|rkp\.|ulica|köz|tanya|sokak|sok\.|cad\.|caddesi|sokağı"
        r"|mahallesi)[ \t]*\d{0,6}\.?",
    ),
    "lives at": (
        "GEO",
        r"(?i:\b(?:lives? (?:at|in|on)|living (?:at|in)|resid\w{2,5} (?:at|in)|address(?: is)?:?|moved (?:to|from)"
        r"|located (?:at|in)|home (?:at|in)"
        r"|transport from|letters? to|sent to|mailed to|deliver(?:ed)? to|born in|family,))[ \t]+"
        r"((?:" + CAPITAL + r"[ \t,]{1,2}){1,4}\d{1,6}[A-Za-z]?)\b",
    ),
    "corner": ("GEO", r"(?i:\b(?:the )?corner of)[ \t]+[^\n.?!]{3,80}?(?=[.?!\n]|$)"),
    "numbered street": (
        "GEO",
        r"\b\d{1,6}[ \t]+(?i:[NSEW]{1,2}\.?|north|south|east|west)[ \t]+\d{1,3}(?i:st|nd|rd|th)\b",
    ),
    "numbered road": (
        "GEO",
        r"\b(?:\d{1,6}[ \t]+)?(?i:(?:county|state|farm|rural|forest)[ \t]+(?:road|rd|route|rte|highway|hwy)|highway|hwy"
        r"|interstate)[ \t]+\d{1,4}\b",
    ),
    "plots": (
        "GEO",
        r"(?i:\b(?:" + PLOT + r",[ \t]*){1,3}" + PLOT + r")\b(?:,[ \t]*[A-Z]-\d{1,2}(?:/\d)?)?",
    ),
    "mains and crosses": ("GEO", r"(?i:\b" + CROSS + r"(?:,[ \t]*" + CROSS + r"){1,3})\b"),
    "number last": (
        "GEO",
        r"(?i:\b(?:at|to|from|near|outside|of))[ \t]+("
        + NUMBER_LAST
        + r")\b(?![.,/:-]\d|%|\s*(?:mg|mcg|m[lL]|g|units?|IU|cm|mm|bpm|days?|weeks?|times|years?)\b)",
    ),
    "number last on its line": (
        "GEO",
        r"(?m:^)[ \t]*(" + NUMBER_LAST + r")(?=[ \t,]*\n(?:[^\n\d]{2,40}\n)?[^\n\d]{0,20}\d{4,6}(?:-\d{4})?[ \t]*(?:\n|\Z))",
    ),
    "unit": ("GEO", r"(?i:\b(?:Apt|Apartment|Suite|Ste|Unit|Flat)\b)\.?[ \t]*#?\d[\w-]*"),
    "box": (
        "GEO",
        r"(?i:\bP\.?[ \t]?O\.?[ \t]+Box[ \t]+\d+|\b(?:PSC|CMR|Unit|USS|USNS|USNV"
        r"|USCGC)[ \t]+[\w]+(?:,?[ \t]+Box[ \t]+\d+)?[ \t]*\n?[ \t]*(?:FPO|APO|DPO)\b(?:[ \t]+[A-Z]{2})?(?:[ \t]+\d{5})?)",
    ),
    "military box": ("GEO", r"\bPSC[ \t]+\d+(?:,?[ \t]+Box[ \t]+\d+)?|\b[FAD]PO[ \t]+A[AEP]\b(?:[ \t]+\d{5})?"),
    "state and zip": ("GEO", r"\b[A-Z]{2}(?:,?[ \t]+|[\^|])\d{5}(?:-\d{4})?\b"),
    "postcode": ("GEO", r"\b[A-Z]{1,2}\d[A-Z\d]?[ ]\d[A-Z]{2}\b|\b[A-Z]\d[A-Z][ -]\d[A-Z]\d\b"),
    "zip": ("GEO", r"(?i:\b(?:zip|postal|post)[_ ]?(?:code)?)(?: is)?[\"' \t:=]*((?:\d{3,5}(?:[- ]\d{2,4})?))\b"),
    "city before state": (
        "GEO",
        r"\b((?:" + CAPITAL + r"[ \t]){0,2}" + CAPITAL + r"),[ \t]+[A-Z]{2}(?:[ \t]+\d{5}(?:-\d{4})?)?\b",
    ),
    "named city": (
        "GEO",
        r"\b(?:(?:North|South|East|West|New|Port|Lake|Fort|Saint|St\.?|San|Santa|Los|Las|El|Mount|Mt\.?)[ \t]+)"
        + CAPITAL
        + r"(?:(?=\b)|$)",
    ),
}

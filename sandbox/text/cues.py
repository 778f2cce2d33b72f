"""What stands before or behind a word and says that it is somebody's name, or no name: degrees, labels, relations, doses."""

from __future__ import annotations

import re

CLINICIAN = re.compile(r",? {0,2}(?:MD|M\.D\.|DO|RN|NP|PA-C|PA|LPN|PhD|DDS|PharmD|LCSW|MSW|FNP|CRNA|Esq)\b")
LABEL = re.compile(
    r"(?i:\b(?:patient(?: name)?|pt(?: name)?|(?:full |first |last |given |middle |maiden |family )?name|surname|forename"
    r"|attending"
    r"|provider|physician|nurse|surgeon|signed(?: by)?|author|dictated(?: by)?|seen by|cc|contact|emergency contact"
    r"|next of kin|nok"
    r"|guardian|caller|agent|customer|client|member|spouse|husband|wife|partner|son|daughter|mother|father|brother|sister"
    r"|mom|dad|aunt"
    r"|uncle|niece|nephew|friend|neighbou?r|caregiver|carer|referred by|reviewed by|from|to|attn|insured|subscriber"
    r"|guarantor|pcp"
    r"|interpreter|employer|witness|payee|beneficiary|account ?holder|card ?holder|dear|sincerely|regards|hi|hello))"
    r"[\"']?(?:[ \t.]*[:=|][ \t\"'>*]*|[ \t]?\.{3,}[ \t]*|,[ \t]*)$"
    r"|(?i:\b(?:thanks|thank you|regards|sincerely|cheers|best|wishes|yours|faithfully|truly|warmly"
    r"|respectfully))[,.!]?[ \t]*\n{1,2}[ \t]*$"
    r"|(?i:\b(?:dear|hi|hello|hey|thanks|thank you|how have you been|good morning|good afternoon))[, ]+$"
)
SAYS_NAME = re.compile(
    r"(?i:\b(?:my name is|name is|this is|i am|i'm|call(?:ed|s)? (?:him|her|me)|known as|named|spoke (?:to|with)|signed by"
    r"|seen by"
    r"|dictated by|accompanied by|lives with|wife|husband|son|daughter|mother|father|brother|sister|spouse|partner|aunt"
    r"|uncle|niece"
    r"|nephew|friend|caregiver|grandson|granddaughter|mom|dad|pt|patient|per|with|from|by|and|to|mrs?\.?|ms\.?|dr\.?))[ ,(]+$"
)
# Behind these a small word that is not English is a name.
RELATION = re.compile(
    r"(?i:\b(?:wife|husband|son|daughter|mother|father|brother|sister|spouse|partner|aunt|uncle|niece|nephew|friend|caregiver"
    r"|neighbou?r|grandson|granddaughter|mom|dad|my name is|this is|i am|i'm|named|called|w/|dr\.?|mr\.?|mrs\.?|ms\.?)) $"
)
# Surname, Given at the start of a line with a number in brackets or a label behind.
LISTED = re.compile(r"^[ \t]*([^\W\d_][\w'’-]+), ([^\W\d_][\w'’-]+)(?=[ \t]*(?:\(|MRN|DOB|\||;|$))", re.M)
HOUSE = re.compile(
    r"[ \t]\d{1,5}[a-z]?\b(?![.,/]\d|%|\s*(?:mg|mcg|ml|units?|g|kg|cm|mm|bpm|x|times|days?|weeks?|months?"
    r"|years?|hours?)\b)"
)
DOSE = re.compile(
    r"[ \t](?:(?:XR|XL|ER|SR|CR|DR|HCl|HCT|succinate|tartrate|sodium|potassium)[ \t])?\d[\d.,/-]*[ \t]?(?:mg|mcg|g|units?"
    r"|m[lL]|IU|mEq|puffs?|tabs?|tablets?)\b"
)
SIGNED = re.compile(r"(?:^|[\n.!?])[ \t]*[-–—~][ \t]*$")

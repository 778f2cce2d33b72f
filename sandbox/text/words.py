"""Words that name no person or place in a clinical text, however they are written: eponyms, drugs, headings, months."""

from __future__ import annotations

import re

# Diseases and signs named after people, drugs, wards, headings and words of everyday notes.
SAFE = frozenset(
    """
    addison alzheimer babinski barrett basedow behcet bell bright burkitt charcot chagas conn crohn cushing dercum down dupuytren
    ehlers danlos fabry fallot gaucher gilbert glasgow goodpasture graves guillain barre hashimoto hodgkin horner huntington
    hutchinson kaposi kawasaki klinefelter korsakoff krebs lyme marfan meniere menière mobitz murphy non-hodgkin osgood paget
    parkinson peyronie raynaud reiter reye romberg sjogren sjögren still tourette turner wernicke whipple wilms wilson wolff
    acute chronic disease syndrome palsy lymphoma sign score test scale coma tetralogy fever infection diabetes mellitus
    hypertension asthma bronchitis fibrillation osteoarthritis kidney stage failure heart pneumonia anemia depression anxiety
    metformin lisinopril furosemide apixaban levodopa prednisone warfarin aspirin insulin amoxicillin atorvastatin albuterol
    ibuprofen acetaminophen omeprazole gabapentin sertraline losartan amlodipine hydrochlorothiazide clopidogrel tylenol lasix
    levothyroxine azithromycin ciprofloxacin morphine oxycodone heparin digoxin metoprolol simvastatin pantoprazole tramadol
    ward department clinic hospital emergency cardiology neurology oncology radiology surgery icu er ed pacu unit day
    discharge admission summary note notes progress report history plan assessment exam labs impression medications meds
    allergies diagnosis dx hpi pmh ros vitals bp hr temp rr chief complaint subjective objective follow-up followup follow up
    patient patients pt name mrn ssn dob date phone fax email address street city state zip account seen signed attending
    provider doctor dr mr mrs ms miss nurse rn md do np pa physician surgeon primary care social work worker physical therapy
    reports denies states noted presents advised continue started stopped treated reviewed confirmed called spoke telephone
    call reachable contact lives works asked home new old left right blood pressure pressure heart rate pain mg ml daily twice
    once weekly medicare medicaid covid ct mri ecg ekg eeg cbc hba1c a1c ldl hdl bmi tsh bun gfr inr
    january february march april may june july august september october november december monday tuesday wednesday thursday
    friday saturday sunday today yesterday tomorrow morning evening night spring summer autumn winter
    the a an and or of in on at to for with from by her his their she he they it was is are were has have had no not will
    can please thanks thank hello hi dear sincerely regards yes ok
    """.split()
)
LETTERS = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def is_safe_name(word: str) -> bool:
    """`word` is no part of a person's name."""
    lower = word.lower().removesuffix("'s").removesuffix("’s").rstrip(".")
    return lower in SAFE or not any(character.isalpha() for character in word)


def safe_words(text: str) -> bool:
    """Every word of `text` is one that names nobody and no place, and there is no number in it."""
    return not any(c.isdigit() for c in text) and all(word.lower() in SAFE for word in LETTERS.findall(text))

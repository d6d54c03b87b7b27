"""The shipped data sets: one entry each, its columns described with their units."""

from dataclasses import dataclass

__all__ = ["CATALOGUE", "Dataset"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One shipped data set.

    Attributes
    ----------
    name
        Its name for `load`; the file is ``<name>.csv``.
    rows
        Number of rows.
    study
        The study in one line.
    source
        Where the numbers come from.
    simulated
        True if no person, animal or place was observed.
    permission
        The licence under which the numbers were published, as far as known.
    columns
        Column name to description, with units and coding, in file order.
    """

    name: str
    rows: int
    study: str
    source: str
    simulated: bool
    permission: str
    columns: dict[str, str]


CATALOGUE = (
    Dataset(
        name="asthma",
        rows=960,
        study="asthma control in 120 children over 8 quarterly visits, inhaled steroid against usual care",
        source="a published teaching simulation (R 4.2.2, seed 667)",
        simulated=True,
        permission="simulated; no third-party data",
        columns={
            "id": "child, 1 to 120",
            "visit": "visit number, 0 to 7",
            "weeks": "weeks since the first visit, 0 to 84 in steps of 12",
            "treat": 'treatment, "Steroid" or "Usual"; constant within child',
            "severity": 'asthma severity at entry, "Mild", "Moderate" or "Severe"; constant within child',
            "control": "1 = asthma controlled, 0 = not",
        },
    ),
    Dataset(
        name="cbpp",
        rows=56,
        study="contagious bovine pleuropneumonia in 15 zebu herds over four periods",
        source="Lesnoff et al. (2004); R package lme4 1.1.31, `cbpp`",
        simulated=False,
        permission="redistributed with lme4 (GPL >= 2)",
        columns={
            "herd": "herd, 1 to 15",
            "incidence": "new serological cases in the period (animals)",
            "size": "animals in the herd at the start of the period",
            "period": "period, 1 to 4; a category, not a time",
        },
    ),
    Dataset(
        name="crossover",
        rows=134,
        study="two-period crossover trial in cerebrovascular deficiency, drug against placebo, 67 patients",
        source="Jones & Kenward (1989), Table 3.1; expanded from the printed cell counts",
        simulated=False,
        permission="eight printed cell counts",
        columns={
            "id": "patient, 1 to 67",
            "sequence": "1 = placebo then active (34 patients), 2 = active then placebo (33 patients)",
            "period": "0 = first, 1 = second",
            "trt": "0 = placebo, 1 = active drug",
            "outcome": "electrocardiogram, 1 = abnormal, 0 = normal",
        },
    ),
    Dataset(
        name="culcita",
        rows=80,
        study="predation of corals by sea stars, with and without defending crabs and shrimps, 10 blocks",
        source="McKeon et al. (2012); R package lme4, `culcitalogreg`",
        simulated=False,
        permission="redistributed with lme4 (GPL >= 2)",
        columns={
            "block": "block (time and place of a trial), 1 to 10",
            "ttt": "defenders, 1 = none, 2 = shrimps, 3 = crabs, 4 = both; a category",
            "predation": "1 = coral eaten, 0 = not",
            "crab": '"y" = crabs present, "n" = absent',
            "shrimp": '"y" = shrimps present, "n" = absent',
        },
    ),
    Dataset(
        name="endometrial",
        rows=79,
        study="histology grade and risk factors in 79 cases of endometrial cancer; quasi-separated in NV",
        source="Heinze & Schemper (2002), data of E. Asseryanis; R package brglm2, `endometrial`",
        simulated=False,
        permission="redistributed with brglm2 (GPL-3)",
        columns={
            "NV": "neovascularisation, 0 = absent, 1 = present",
            "PI": "pulsatility index of the uterine artery, as recorded (integers 0 to 49)",
            "EH": "endometrium height, as recorded (0.27 to 3.61)",
            "HG": "histology grade, 0 = low, 1 = high",
        },
    ),
    Dataset(
        name="ohio",
        rows=7_392,
        study="lung-cancer deaths, 88 counties x 21 years x sex x race: a simulated twin of the Ohio study",
        source="models/simulate_ohio.py (seed 117); truth = published estimates, populations invented",
        simulated=True,
        permission="simulated; no third-party data",
        columns={
            "county": "invented county, 1 to 88",
            "sex": "1 = male, 2 = female; a category",
            "race": "1 = white, 2 = non-white; a category",
            "year": "year, 1 to 21 (stands for 1968 to 1988)",
            "death": "deaths from lung cancer in the year",
            "pop": "persons at risk in the year",
        },
    ),
    Dataset(
        name="rehab",
        rows=1_000,
        study="cardiac incidents in 110 rehabilitation centres: a simulated twin of a published example",
        source="models/simulate_rehab.py (seed 2); truth = published estimates, patients and hours invented",
        simulated=True,
        permission="simulated; no third-party data",
        columns={
            "patient": "patient, 1 to 1000",
            "centre": "rehabilitation centre, 1 to 110",
            "hours": "opening hours a day of the centre, 1.5 to 14.5; constant within centre",
            "trt": "0 = usual care, 1 = supervised programme; randomised within centre",
            "gender": '"female" or "male"',
            "incidents": "cardiac incidents in one year of follow-up",
        },
    ),
    Dataset(
        name="seizure",
        rows=295,
        study="epileptic seizures in 59 patients, progabide against placebo, baseline and four periods",
        source="Leppik et al. (1987); Thall & Vail (1990); R package geepack 1.3.9, `seizure`, reshaped",
        simulated=False,
        permission="printed in Thall & Vail (1990); redistributed with geepack (GPL >= 3)",
        columns={
            "id": "patient, 1 to 59",
            "trt": "0 = placebo, 1 = progabide; constant within patient",
            "age": "age at entry (years)",
            "baseline": "seizures in the 8 weeks before treatment (the count of period 0, repeated)",
            "period": "0 = baseline, 1 to 4 = successive follow-up periods",
            "weeks": "length of the period (weeks): 8 at baseline, 2 after",
            "time": "0 = baseline, 1 = follow-up",
            "count": "seizures in the period",
        },
    ),
    Dataset(
        name="sleepstudy",
        rows=180,
        study="reaction times of 18 people over ten days with three hours in bed a night",
        source="Belenky et al. (2003); R package lme4 1.1.31, `sleepstudy`",
        simulated=False,
        permission="redistributed with lme4 (GPL >= 2)",
        columns={
            "Reaction": "mean reaction time of the day (milliseconds)",
            "Days": "day of the study, 0 to 9; days 0 and 1 were training, day 2 the baseline",
            "Subject": "person, 308 to 372 with gaps",
        },
    ),
    Dataset(
        name="toenail",
        rows=1_908,
        study="toenail infection in 294 patients, terbinafine against itraconazole, up to seven visits",
        source="De Backer et al. (1998); Lesaffre & Spiessens (2001); R package mice 3.15.0, `toenail`",
        simulated=False,
        permission="redistributed with mice (GPL-2 | GPL-3)",
        columns={
            "id": "patient, 1 to 383 with gaps",
            "visit": "visit number, 1 to 7",
            "month": "time of the visit as it happened (months since the first)",
            "treatment": "0 = itraconazole, 1 = terbinafine; constant within patient",
            "outcome": "separation of the nail plate, 1 = moderate or severe, 0 = none or mild",
        },
    ),
)

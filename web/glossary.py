"""The words of trials in plain English, and the steps of one, for the help page."""

from __future__ import annotations

STEPS: tuple[tuple[str, str], ...] = (
    ("Start from a hunch", ("Say what people ring about needlessly, and what wording or change "
     "might spare them the call.")),
    ("Write the plan", ("Say what is compared, for whom, how it will be judged and how large a "
     "difference would be worth having. Signpost tells how many weeks that takes.")),
    ("Get it approved", "Somebody other than the author approves the version they have read."),
    ("Launch", "Launching locks the plan, so that nobody can move the goalposts afterwards."),
    ("Let it run", ("Look at the trial’s health, not at its result. The result comes when it is "
     "due.")),
    ("Read the result", "In a sentence first, then in figures, then in everything behind them."),
    ("Decide and scale", ("Record what becomes of it. The case for scaling says what rolling it "
     "out is worth, and how sure that is.")),
)  # fmt: skip
"""The steps of a trial: what each is called and what is done in it."""

WORDS: tuple[tuple[str, str], ...] = (
    ("Arm, or version", "What one group of people receives. One arm is the control."),
    ("Avoidable contact", ("A call, chat or message that clearer words or a quicker answer would "
     "have made needless.")),
    ("Case for scaling", ("What would happen if the better version went to everybody: contacts "
     "spared, staff time, money, and how sure each is.")),
    ("Control", "The arm that carries on as before. The others are compared with it."),
    ("Guardrail", ("Something that must not get worse, such as payments or satisfaction, however "
     "good the main result.")),
    ("Interval", ("The range in which the true difference plausibly lies. A wide one means that "
     "too little is known yet.")),
    ("Look", ("A time, set down in the plan, at which the result may be read. Reading it at any "
     "other time makes chance look like success.")),
    ("Main measure", "The one thing the trial is judged by. It is chosen before it starts."),
    ("Maturing", "Somebody in the trial whose follow-up time, such as 14 days, is not over yet."),
    ("Plan lock", ("From launch on the plan cannot be changed unseen. Every amendment is dated, "
     "has a reason and is shown.")),
    ("Posterior", ("All that the trial and what was known before say about the size of the effect: "
     "which sizes are likely, and how likely. Analysts work with it.")),
    ("Randomise", ("To let chance decide who receives which version, so that the groups differ in "
     "nothing else.")),
    ("Sample ratio", ("Whether as many people ended up in each arm as should have. If not, "
     "something lost people, and the result cannot be trusted until it is found.")),
    ("Segment", ("A group of people within the trial, such as those with an e-mail address, named "
     "in the plan beforehand.")),
    ("Switchback", "A trial that switches the version by the hour or day instead of by person."),
    ("Unit", "What is counted and randomised: a person, household, account, case or contact."),
)  # fmt: skip
"""Each word and what it means, by the alphabet."""

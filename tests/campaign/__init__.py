"""Companies at random, with edits, faults and kills at random: in the end the mirror is the CRM."""

"""What `linkauth why` makes of the journal: attempts to link, the last step of each, its cause, and what to correct."""

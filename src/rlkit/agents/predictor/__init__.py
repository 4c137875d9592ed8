"""Gao's PUE predictor as an ensemble, and DeepMind's use of it: setpoints by search over what it foresees.

``python scripts/train.py env=cooling agent=pue_predictor`` trains one;
:func:`~rlkit.agents.predictor.model.load_predictor` reads it from its run folder;
:class:`~rlkit.agents.predictor.search.SearchController` runs a hall with it.
"""

"""One bad file per mistake in `parameters:` and in choices of reals, and the whole answer to it."""

# ruff: noqa: E501  # messages stand here as they are printed

from __future__ import annotations

import pytest

from tests.test_space_errors import HEAD, Case, block_text, expected, refusal

CASES = [
    Case(
        "log_uniform",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {lr: {distribution: log_uniform, min: -7, max: 0}}
        """,
        """
        error[E011]: parameters.lr.distribution: 'log_uniform' is not a distribution; use one of constant, categorical, int_uniform, uniform, q_uniform, log_uniform_values
         --> mine.yaml:5:33
          |
        5 | parameters: {lr: {distribution: log_uniform, min: -7, max: 0}}
          |                                 ^
          = help: its min and max are exponents of e; write log_uniform_values with the values themselves
        """,
    ),
    Case(
        "misspelt distribution",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {lr: {distribution: unifrom, min: 0.1, max: 1.0}}
        """,
        """
        error[E011]: parameters.lr.distribution: 'unifrom' is not a distribution; use one of constant, categorical, int_uniform, uniform, q_uniform, log_uniform_values
         --> mine.yaml:5:33
          |
        5 | parameters: {lr: {distribution: unifrom, min: 0.1, max: 1.0}}
          |                                 ^
          = help: did you mean 'uniform'?
        """,
    ),
    Case(
        "foreign distribution",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {lr: {distribution: beta, min: 0.1, max: 1.0}}
        """,
        """
        error[E011]: parameters.lr.distribution: 'beta' is not a distribution; use one of constant, categorical, int_uniform, uniform, q_uniform, log_uniform_values
         --> mine.yaml:5:33
          |
        5 | parameters: {lr: {distribution: beta, min: 0.1, max: 1.0}}
          |                                 ^
        """,
    ),
    Case(
        "unknown name",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {learning_rate: {value: 0.1}}
        """,
        """
        error[E003]: parameters.learning_rate: 'learning_rate' is no training parameter
         --> mine.yaml:5:14
          |
        5 | parameters: {learning_rate: {value: 0.1}}
          |              ^
          = help: did you mean 'lr'?
        """,
    ),
    Case(
        "misspelt name",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {momentun: {value: 0.1}}
        """,
        """
        error[E003]: parameters.momentun: 'momentun' is no training parameter
         --> mine.yaml:5:14
          |
        5 | parameters: {momentun: {value: 0.1}}
          |              ^
          = help: did you mean 'momentum'?
        """,
    ),
    Case(
        "epochs",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {epochs: {values: [4, 8]}}
        """,
        """
        error[E003]: parameters.epochs: 'epochs' is no training parameter
         --> mine.yaml:5:14
          |
        5 | parameters: {epochs: {values: [4, 8]}}
          |              ^
          = help: 'epochs' says how cheaply a network is measured; write it under train:
        """,
    ),
    Case(
        "data_fraction",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {data_fraction: {value: 0.5}}
        """,
        """
        error[E003]: parameters.data_fraction: 'data_fraction' is no training parameter
         --> mine.yaml:5:14
          |
        5 | parameters: {data_fraction: {value: 0.5}}
          |              ^
          = help: 'data_fraction' says how cheaply a network is measured; write it under train:
        """,
    ),
    Case(
        "bounds",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {lr: {min: 1.0, max: 0.1}}
        """,
        """
        error[E007]: parameters.lr: min 1.0 is not below max 0.1
         --> mine.yaml:5:18
          |
        5 | parameters: {lr: {min: 1.0, max: 0.1}}
          |                  ^
          = help: write min: 0.1, max: 1.0
        """,
    ),
    Case(
        "equal bounds",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {lr: {min: 0.1, max: 0.1}}
        """,
        """
        error[E007]: parameters.lr: min 0.1 is not below max 0.1
         --> mine.yaml:5:18
          |
        5 | parameters: {lr: {min: 0.1, max: 0.1}}
          |                  ^
          = help: write value: instead of min and max
        """,
    ),
    Case(
        "log of zero",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {weight_decay: {distribution: log_uniform_values, min: 0, max: 1e-3}}
        """,
        """
        error[E008]: parameters.weight_decay: log_uniform_values needs min above 0, got 0
         --> mine.yaml:5:28
          |
        5 | parameters: {weight_decay: {distribution: log_uniform_values, min: 0, max: 1e-3}}
          |                            ^
        """,
    ),
    Case(
        "lr of -1",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {lr: {value: -1}}
        """,
        """
        error[E005]: parameters.lr.value: lr must be above 0, got -1
         --> mine.yaml:5:26
          |
        5 | parameters: {lr: {value: -1}}
          |                          ^
        """,
    ),
    Case(
        "momentum bound",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {momentum: {min: 0.5, max: 1.0}}
        """,
        """
        error[E005]: parameters.momentum.max: momentum must be in [0, 1), got 1.0
         --> mine.yaml:5:40
          |
        5 | parameters: {momentum: {min: 0.5, max: 1.0}}
          |                                        ^
        """,
    ),
    Case(
        "int bounds",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {batch_size: {distribution: int_uniform, min: 16.5, max: 64}}
        """,
        """
        error[E005]: parameters.batch_size: int_uniform needs whole numbers for min and max
         --> mine.yaml:5:26
          |
        5 | parameters: {batch_size: {distribution: int_uniform, min: 16.5, max: 64}}
          |                          ^
        """,
    ),
    Case(
        "q too large",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {lr: {min: 0.1, max: 1.0, q: 2}}
        """,
        """
        error[E005]: parameters.lr: q must be above 0 and at most max - min, got 2
         --> mine.yaml:5:18
          |
        5 | parameters: {lr: {min: 0.1, max: 1.0, q: 2}}
          |                  ^
        """,
    ),
    Case(
        "missing max",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {lr: {distribution: uniform, min: 0.1}}
        """,
        """
        error[E004]: parameters.lr: 'max' is missing
         --> mine.yaml:5:18
          |
        5 | parameters: {lr: {distribution: uniform, min: 0.1}}
          |                  ^
        """,
    ),
    Case(
        "missing values",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {lr: {distribution: categorical, min: 0.1, max: 1.0}}
        """,
        """
        error[E004]: parameters.lr: 'values' is missing
         --> mine.yaml:5:18
          |
        5 | parameters: {lr: {distribution: categorical, min: 0.1, max: 1.0}}
          |                  ^
        """,
    ),
    Case(
        "nothing",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {lr: {}}
        """,
        """
        error[E004]: parameters.lr: 'min' and 'max' are missing
         --> mine.yaml:5:18
          |
        5 | parameters: {lr: {}}
          |                  ^
        """,
    ),
    Case(
        "a word",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {lr: {value: fast}}
        """,
        """
        error[E005]: parameters.lr.value: expected a number, got 'fast'
         --> mine.yaml:5:26
          |
        5 | parameters: {lr: {value: fast}}
          |                          ^
        """,
    ),
    Case(
        "a key",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        parameters: {lr: {minimum: 0.1, max: 1.0}}
        """,
        """
        error[E004]: parameters.lr: 'min' is missing
         --> mine.yaml:5:18
          |
        5 | parameters: {lr: {minimum: 0.1, max: 1.0}}
          |                  ^

        error[E003]: parameters.lr.minimum: unknown key 'minimum'
         --> mine.yaml:5:19
          |
        5 | parameters: {lr: {minimum: 0.1, max: 1.0}}
          |                   ^
          = help: did you mean 'min'?
        """,
    ),
    Case(
        "step",
        """
        stages: [{width: 8, block: {op: conv1x1, width: {ratio: {min: 0.25, max: 0.5, step: 0.5}}}}]
        """,
        """
        error[E007]: stages.0.block.width.ratio: step 0.5 is above max - min, 0.25
         --> mine.yaml:4:57
          |
        4 | stages: [{width: 8, block: {op: conv1x1, width: {ratio: {min: 0.25, max: 0.5, step: 0.5}}}}]
          |                                                         ^
        """,
    ),
    Case(
        "step and log",
        """
        stages: [{width: 8, block: {op: conv1x1, width: {ratio: {min: 0.25, max: 1.0, step: 0.25, log: true}}}}]
        """,
        """
        error[E008]: stages.0.block.width.ratio: step and log: true exclude each other
         --> mine.yaml:4:57
          |
        4 | stages: [{width: 8, block: {op: conv1x1, width: {ratio: {min: 0.25, max: 1.0, step: 0.25, log: true}}}}]
          |                                                         ^
          = help: leave one of them out
        """,
    ),
    Case(
        "step of 0",
        """
        stages: [{width: 8, block: {op: conv1x1, width: {ratio: {min: 0.25, max: 1.0, step: 0}}}}]
        """,
        """
        error[E005]: stages.0.block.width.ratio.step: expected a number above 0, got 0
         --> mine.yaml:4:85
          |
        4 | stages: [{width: 8, block: {op: conv1x1, width: {ratio: {min: 0.25, max: 1.0, step: 0}}}}]
          |                                                                                     ^
        """,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_mistake_in_a_parameter(case: Case) -> None:
    assert refusal(HEAD + block_text(case.text)) == expected(case.message)

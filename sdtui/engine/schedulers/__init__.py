"""Schedulers and noise schedules that diffusers lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdtui.engine.schedulers.ancestral import (
    DPMSolverAncestralScheduler,
    EulerAncestralScheduler,
    KDPM2AncestralDiscreteScheduler,
)
from sdtui.engine.schedulers.flow_heun import FlowMatchHeunDiscreteScheduler
from sdtui.engine.schedulers.flow_unipc import FlowUniPCScheduler
from sdtui.engine.schedulers.lms import LMSDiscreteScheduler
from sdtui.engine.schedulers.multistep_sde import DPMSolver3MSDEScheduler
from sdtui.engine.schedulers.restart import RestartScheduler

OWN_SCHEDULERS: Mapping[str, Any] = {
    kind.__name__: kind
    for kind in (
        DPMSolver3MSDEScheduler,
        DPMSolverAncestralScheduler,
        EulerAncestralScheduler,
        FlowMatchHeunDiscreteScheduler,
        FlowUniPCScheduler,
        KDPM2AncestralDiscreteScheduler,
        LMSDiscreteScheduler,
        RestartScheduler,
    )
}
"""By the names in `SAMPLERS`."""

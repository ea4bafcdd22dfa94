"""The deployment a run works on, and the build it makes: held from landing to publish under one lock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from orchestration.lib.build import BuildLocked, build_lock
from orchestration.lib.build_record import BuildRecord
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal
from orchestration.lib.planning import BuildPlan


class BuildSession(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Home and landing folder of the deployment (``TIERHOUSE_HOME``, ``TIERHOUSE_LANDING``).

    A run that enters it takes the build lock to its end; a run that finds another at work fails at once
    and says who holds it.
    """

    home_path: str = ""
    landing_path: str = ""

    _plan: BuildPlan | None = PrivateAttr(default=None)

    @property
    def home(self) -> Home:
        return Home.resolve(self.home_path or None)

    @property
    def landing(self) -> Path:
        named = self.landing_path or os.environ.get("TIERHOUSE_LANDING")
        return Path(named).resolve() if named else self.home.landing

    @property
    def plan(self) -> BuildPlan | None:
        return self._plan

    def set_plan(self, plan: BuildPlan | None) -> None:
        self._plan = plan

    def build_id(self) -> str:
        """The build that this run began, or, when the run continues one, the last that the journal began."""
        if self._plan is not None:
            return self._plan.build_id
        last_begun = Journal(self.home.journal).read().last_begun
        if last_begun is None:
            raise dg.Failure("no build has begun yet; materialize from land_deliveries on", allow_retries=False)
        return last_begun

    def record(self) -> BuildRecord:
        return BuildRecord.read(self.home, self.build_id())

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[BuildSession]:
        if context.run is None:  # a schedule or sensor looks on: it must neither wait for a build nor hold one up
            yield self
            return
        try:
            with build_lock(self.home, float(os.environ.get("TIERHOUSE_WAIT", "0"))):
                yield self
        except BuildLocked as error:
            raise dg.Failure(str(error), allow_retries=False) from error

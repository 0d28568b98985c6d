"""What a CVAE captures of the known properties of tracks instead of their labels."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import xarray as xr

from lib.corpora.items import Sound
from lib.features import preparation
from lib.scores import properties
from lib.scores import table as scores
from lib.store import artifacts
from lib.store.runs import Run
from lib.studies.paradox.pictures import leading


def known(run: Run, x: pd.DataFrame) -> pd.DataFrame:
    """Known properties [track, name] (`preparation.known`), else the features x."""
    found = preparation.known(run)
    return x if found is None else found


def planted(run: Run, properties_known: pd.DataFrame) -> list[str]:
    """Names of the planted factors; of all known properties where nothing was planted."""
    return list(artifacts.load(run, "factors") if artifacts.has(run, "factors") else properties_known)


def first_seeds(sweep: Mapping[float, xr.Dataset]) -> dict[float, xr.Dataset]:
    """One seed's latents by beta."""
    return {beta: latents.isel(seed=0) for beta, latents in sweep.items()}


def captured(run: Run, cvae: xr.Dataset, sweep: Mapping[float, xr.Dataset], x: pd.DataFrame, values: pd.DataFrame,
             genre: pd.Series) -> pd.DataFrame:
    """`properties.captured` of the first seed; what it drops is looked for in the `sweep`'s smaller betas."""
    smaller = {beta: one for beta, one in first_seeds(sweep).items() if beta < run.settings.beta}
    return properties.captured(cvae.isel(seed=0), scores.n_clusters(run, genre), x, values, genre,
                               run.settings.n_permutations, run.settings.seed, smaller)


def kept(sweep: Mapping[float, xr.Dataset], table: pd.DataFrame, names: list[str], x: pd.DataFrame,
         values: pd.DataFrame, genre: pd.Series, most: int = 10) -> pd.DataFrame:
    """Percent of each property [property, beta] that the first seed's active dimensions carry within labels, of those
    `most` among `names` that the features carry best; `table` is that of `captured`."""
    out = table["verdict"].isin([properties.ABSENT, properties.OTHER_WORDS])
    asked = table[table["property"].isin(names) & ~out].nlargest(most, "features")
    return 100 * properties.kept(first_seeds(sweep), x, values[list(asked["property"])], genre)


def followed(cvae: xr.Dataset, table: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """The number [track, property] that each of the two leading dimensions follows most, by the table of `captured`;
    the strongest of all where a dimension follows none."""
    numbers, names = table[table["property"].isin(values.select_dtypes("number"))], []
    for i in leading(cvae):
        own = numbers[numbers["strongest"] == i]
        names.append((numbers if own.empty else own)["property"].iloc[0])
    return values.loc[cvae.track.values, names]


def sounds(run: Run, near: Mapping[int, list[str]], genre: pd.Series) -> dict[str, Sound | None]:
    """Sounds of the tracks near to each cluster's centre (`properties.nearest`), by what they are called."""
    return {f"cluster {c}, {word}: {genre[track]}": preparation.listen(run, track)
            for c, tracks in near.items() for word, track in zip(("nearest", "second"), tracks, strict=False)}

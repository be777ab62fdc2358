/** How often saves meet another writer: counts that fade with time and with the saves that follow, so that they tell of now. */

export interface ConflictRate {
  /** Saves, each weighing less the longer ago it was. */
  readonly saves: number;
  /** Those of them that met another writer. */
  readonly contended: number;
  /** When it was counted last, in milliseconds. */
  readonly atMs: number;
}

export interface RateWindow {
  /** A save weighs half after so long, in milliseconds. */
  readonly windowMs: number;
  /** About so many saves are remembered, however fast they come. */
  readonly savesMax: number;
}

export const noRate = (nowMs: number): ConflictRate => ({ saves: 0, contended: 0, atMs: nowMs });

/** What is left of it at a later time; a clock that goes back changes nothing. */
export const faded = (rate: ConflictRate, { windowMs }: RateWindow, nowMs: number): ConflictRate => {
  if (nowMs <= rate.atMs) return rate;
  const left = 0.5 ** ((nowMs - rate.atMs) / windowMs);
  return { saves: rate.saves * left, contended: rate.contended * left, atMs: nowMs };
};

/** With one save more. */
export const counted = (
  rate: ConflictRate,
  window: RateWindow,
  contended: boolean,
  nowMs: number,
): ConflictRate => {
  const { saves, contended: met, atMs } = faded(rate, window, nowMs);
  const kept = 1 - 1 / window.savesMax;
  return { saves: saves * kept + 1, contended: met * kept + (contended ? 1 : 0), atMs };
};

/** 0 to 1; 0 where nothing was saved. */
export const shareOf = ({ saves, contended }: ConflictRate): number =>
  saves === 0 ? 0 : Math.min(1, contended / saves);

/**
 * Where the true share lies, as far as so many saves can tell: the ends of Wilson's interval, `deviations` of the normal
 * distribution to either side. Few saves give a wide one, so that no one chance meeting decides anything.
 */
export const shareBounds = (
  rate: ConflictRate,
  deviations: number,
): { readonly low: number; readonly high: number } => {
  if (rate.saves === 0) return { low: 0, high: 1 };
  const share = shareOf(rate);
  const spread = deviations ** 2 / rate.saves;
  const middle = share + spread / 2;
  const half = deviations * Math.sqrt((share * (1 - share)) / rate.saves + spread / (4 * rate.saves));
  return {
    low: Math.max(0, (middle - half) / (1 + spread)),
    high: Math.min(1, (middle + half) / (1 + spread)),
  };
};

/** What a persistent subscription is told when it is made: how it hands out, waits, repeats and remembers. */

export type StrategyName = 'RoundRobin' | 'DispatchToSingle' | 'Pinned' | 'PinnedByCorrelation';

export const strategyNames: ReadonlyArray<StrategyName> = [
  'RoundRobin',
  'DispatchToSingle',
  'Pinned',
  'PinnedByCorrelation',
];

/** In the units and with the meaning that the protocol gives them. */
export interface GroupSettings {
  readonly resolveLinks: boolean;
  /** Measure how long consumers take; shown in the group's connections. */
  readonly extraStatistics: boolean;
  /** How long a consumer may take over a message before it is handed out again, in milliseconds; 0 is for ever. */
  readonly messageTimeoutMs: number;
  /** How often a message is handed out again before it is parked; 0 parks it after the first failure. */
  readonly maxRetryCount: number;
  /** How long progress may stay unwritten once `checkpointCountMin` messages are done, in milliseconds. */
  readonly checkpointAfterMs: number;
  readonly checkpointCountMin: number;
  /** Progress is written at once when so many messages are done; 0 leaves it to the clock. */
  readonly checkpointCountMax: number;
  /** Consumers at most; 0 is any number. */
  readonly subscribersMax: number;
  /** Messages held ready while the group keeps up with its source. */
  readonly liveBufferSize: number;
  /** Messages read at a time. */
  readonly readBatchSize: number;
  /** Messages held ready while the group is behind. */
  readonly historyBufferSize: number;
  readonly strategy: StrategyName;
}

/** A buffer is memory of the server, for each group. */
export const bufferSizeMax = 10_000;

const numberKeys = [
  'messageTimeoutMs',
  'maxRetryCount',
  'checkpointAfterMs',
  'checkpointCountMin',
  'checkpointCountMax',
  'subscribersMax',
] as const;

const bufferKeys = ['liveBufferSize', 'readBatchSize', 'historyBufferSize'] as const;

/** Why these settings cannot be used, in words; undefined where they can. */
export const settingsProblem = (settings: GroupSettings): string | undefined => {
  for (const key of numberKeys)
    if (!(Number.isInteger(settings[key]) && settings[key] >= 0))
      return `${key} must be 0 or more, found ${settings[key]}`;
  for (const key of bufferKeys)
    if (!(settings[key] >= 1 && settings[key] <= bufferSizeMax))
      return `${key} must be from 1 to ${bufferSizeMax}, found ${settings[key]}`;
  const { historyBufferSize, readBatchSize, checkpointCountMin, checkpointCountMax } = settings;
  if (historyBufferSize <= readBatchSize)
    return `historyBufferSize (${historyBufferSize}) must be larger than readBatchSize (${readBatchSize})`;
  if (checkpointCountMax > 0 && checkpointCountMax < checkpointCountMin)
    return `checkpointCountMax (${checkpointCountMax}) must not be below checkpointCountMin (${checkpointCountMin})`;
  return undefined;
};

/** What a simulation throws when a promise was broken: which, where, the steps that led there, and how to see it again. */
import { taggedError, type TaggedError } from '../../core/fault.js';

/** A promise was broken in a simulation, by the saga or by the engine. Nothing outside the simulation was written. Run the seed again and mend what it shows. */
export interface SimulationFailed {
  readonly _tag: 'SimulationFailed';
  readonly seed: number;
  /** Which promise, in words. */
  readonly broken: string;
  /** What runs exactly this again. */
  readonly replay: string;
  /** Every step, oldest first. */
  readonly trace: ReadonlyArray<string>;
  readonly message: string;
}

const shownMax = 60;

export const simulationFailed = (
  seed: number,
  broken: string,
  replay: string,
  trace: ReadonlyArray<string>,
): TaggedError<SimulationFailed> => {
  const left = trace.length - shownMax;
  const steps = [...(left > 0 ? [`(${left} steps before these)`] : []), ...trace.slice(-shownMax)];
  const message = [`seed ${seed}: ${broken}`, ...steps.map((line) => `  ${line}`), `Again: ${replay}`].join(
    '\n',
  );
  return taggedError({ _tag: 'SimulationFailed', seed, broken, replay, trace, message }, message);
};

/** A run of `watersmeet run`: its options and what they came to. */
import type { Program } from '../runtime/saga/program.js';
import type { EventStore } from '../store/event-store.js';
import type { StorePlace } from './open-store.js';
import type { Share } from './options.js';
import type { Session } from './session.js';

export interface RunOptions {
  readonly input?: string;
  readonly store?: string;
  readonly schema?: string;
  readonly workers: number;
  readonly window: number;
  readonly seed: number;
  readonly share?: Share;
  readonly json?: boolean;
  readonly verify?: boolean;
}

/** Everything about a run that stays the same while it goes on. */
export interface Running {
  readonly session: Session;
  readonly program: Program;
  readonly input: string;
  readonly place: StorePlace;
  readonly options: RunOptions;
  readonly store: EventStore;
}

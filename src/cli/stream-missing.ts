/** What the command says of a stream that is not there. */
import { taggedError } from '../core/fault.js';
import { escapeForDisplay } from '../core/stream.js';
import type { StreamMissing } from './failure.js';

export const streamMissing = (streamName: string, what = 'stream'): Error =>
  taggedError<StreamMissing>({
    _tag: 'StreamMissing',
    message: `there is no ${what} ${escapeForDisplay(streamName, 200)}; watersmeet streams lists them`,
  });

// The benches, in the order in which they run.
import * as append from '../benches/append.mjs';
import * as catchUp from '../benches/catch-up.mjs';
import * as contention from '../benches/contention.mjs';
import * as decide from '../benches/decide.mjs';
import * as decode from '../benches/decode.mjs';
import * as embedded from '../benches/embedded.mjs';
import * as fold from '../benches/fold.mjs';
import * as growth from '../benches/growth.mjs';
import * as latency from '../benches/latency.mjs';
import * as memory from '../benches/memory.mjs';
import * as merge from '../benches/merge.mjs';
import * as read from '../benches/read.mjs';

export const benches = [
  ...[append, decide, read, fold, decode, contention, merge],
  ...[catchUp, latency, embedded, growth, memory],
];

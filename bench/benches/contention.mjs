// Many writers on one saga: merging beside every other answer.
import { randomUUID } from 'node:crypto';
import * as hand from '../contention/by-hand.mjs';
import { emmettDefault, emmettEnough } from '../contention/emmett.mjs';
import { merge } from '../contention/merge.mjs';
import { drive, measureCase, median } from '../lib/harness.mjs';

export const name = 'contention';
export const title = 'Many writers on one saga';
export const about =
  '512 messages of one saga, all writers in one process. A handler works for 0 or 5 ms between its read and its write. A run ends after 512 messages, or takes no more of them after 3 s; whoever is done sooner begins another saga, until its turn has lasted a second. Retry, locks and queue are written by hand with pg, keep the state in a row beside its version, remember no message ids, and so do less than the others. After each run the count is held against what was acknowledged.';
export const commits = ['disk', 'slow'];

const strategies = [
  ...[merge, hand.retry, hand.retryBackoff, hand.rowLocked, hand.advisory, hand.queue],
  ...[emmettDefault, emmettEnough],
];
const messagesMax = 512;
const runMsMax = 3_000;
const turnMsMin = 1_000;

export const caseName = ({ writers, workMs }) =>
  `${writers} ${writers === 1 ? 'writer' : 'writers'}, ${workMs} ms handlers`;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const sumOf = (runs, field) => runs.reduce((sum, run) => sum + run[field], 0);
const medianOf = (runs, field) => median(runs.map((run) => run[field]));

const subjectOf = ({ strategy, opened }, { writers, workMs }, { messages, turnMs, warmUpMs }) => {
  const runOnce = async (ms) => {
    const sagaId = randomUUID();
    let handlerRuns = 0;
    const running = opened.begin(async () => {
      handlerRuns += 1;
      if (workMs > 0) await pause(workMs);
    });
    await running.start?.(sagaId);
    const driven = await drive({ writers, ms, max: messages }, (writer, turn) =>
      running.handle(sagaId, `${sagaId}:${writer}:${turn}`),
    );
    const from = performance.now();
    await running.settle?.(sagaId);
    const elapsedMs = driven.elapsedMs + performance.now() - from;
    const count = await running.countOf(sagaId);
    if (count !== driven.done)
      throw new Error(`${strategy.name}: ${driven.done} were acknowledged, ${count} are there`);
    return { ...driven, elapsedMs, handlerRuns };
  };
  return {
    name: strategy.name,
    run: async ({ isWarmUp }) => {
      const runs = [];
      do runs.push(await runOnce(isWarmUp ? warmUpMs : runMsMax));
      while (sumOf(runs, 'elapsedMs') < turnMs);
      const [done, failed] = [sumOf(runs, 'done'), sumOf(runs, 'failed')];
      return {
        value: (done / sumOf(runs, 'elapsedMs')) * 1_000,
        ...{ p50Ms: medianOf(runs, 'p50Ms'), p99Ms: medianOf(runs, 'p99Ms') },
        ...{ runsPerMessage: sumOf(runs, 'handlerRuns') / done, failedShare: failed / (done + failed) },
      };
    },
  };
};

const casesOf = ({ isQuick, commit }) => {
  if (isQuick)
    return [
      { writers: 8, workMs: 5 },
      { writers: 8, workMs: 0 },
    ];
  const wanted = commit === 'disk' ? [1, 8, 32, 64] : [32, 64];
  return [5, 0].flatMap((workMs) => wanted.map((writers) => ({ writers, workMs })));
};

export const run = async (context) => {
  const { commit, say, database, poolMax, warmUpMs, isQuick } = context;
  const opened = [];
  for (const strategy of strategies)
    opened.push({ strategy, opened: await strategy.open(await database(), { poolMax }) });
  const rounds = Math.min(3, context.rounds);
  const rows = [];
  for (const one of casesOf(context)) {
    const subjects = opened.map((each) =>
      subjectOf(each, one, {
        ...{ messages: isQuick ? 32 : messagesMax, turnMs: isQuick ? 0 : turnMsMin },
        warmUpMs: Math.max(warmUpMs, 200),
      }),
    );
    const what = { bench: name, commit, name: caseName(one), unit: 'messages/s' };
    rows.push(...(await measureCase({ ...what, subjects, rounds, warmUpMs, say })));
  }
  for (const each of opened) await each.opened.close();
  return rows;
};

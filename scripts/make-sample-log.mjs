/**
 * Writes sagas/loan-application/sample.xes.gz: an invented log of loan applications, the same on every run.
 * Run by hand (`node scripts/make-sample-log.mjs`) and commit what it writes; `--print` shows the XML instead.
 * It is long because the whole process of the invented bank stands in it, to be read from top to bottom.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const caseCount = 300;
const seed = 20240108;
const target = fileURLToPath(new URL('../sagas/loan-application/sample.xes.gz', import.meta.url));

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

// Random choices: one generator for the whole log, so that the seed alone decides every byte.

let state = seed;
/** A number from 0 up to, not including, 1 (xorshift with 32 bits). */
function random() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
}
const chance = (probability) => random() < probability;
const between = (low, high) => low + Math.floor(random() * (high - low + 1));
const oneOf = (items) => items[between(0, items.length - 1)];
/** `weights` is a list of [weight, value]. */
function weighted(weights) {
  let left = random() * weights.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, value] of weights) {
    left -= weight;
    if (left < 0) return value;
  }
  return weights[0][1];
}
function shuffled(items) {
  const rest = [...items];
  return items.map(() => rest.splice(between(0, rest.length - 1), 1)[0]);
}

// A case under way: its clock, who works on it now, and what has happened.

function openCase(startMs) {
  return { nowMs: startMs, resource: 'web', amount: between(4, 90) * 500, events: [] };
}
/** `lowMs` to `highMs` after what happened last. */
function after(loan, lowMs, highMs, name, transition = 'COMPLETE') {
  loan.nowMs += between(lowMs, highMs);
  loan.events.push({ name, transition, timeMs: loan.nowMs, resource: loan.resource });
}
/** Independent events of one moment: the first after the pause, the others within milliseconds, in any order. */
function atOnce(loan, lowMs, highMs, names) {
  shuffled(names).forEach((name, index) => {
    if (index === 0) after(loan, lowMs, highMs, name);
    else after(loan, 0, chance(0.7) ? 4 : 60, name);
  });
}
const clerks = Array.from({ length: 14 }, (_, index) => `clerk-${String(index + 1).padStart(2, '0')}`);
/** Somebody takes up a work item; now and then the log does not say who. */
function start(loan, lowMs, highMs, item) {
  loan.resource = chance(0.12) ? undefined : oneOf(clerks);
  after(loan, lowMs, highMs, item, 'START');
}
const complete = (loan, lowMs, highMs, item) => after(loan, lowMs, highMs, item, 'COMPLETE');
const schedule = (loan, lowMs, highMs, item) => after(loan, lowMs, highMs, item, 'SCHEDULE');
/** Somebody works on an item, then leaves it, `times` times over. */
function sessions(loan, item, times, pauseMaxMs) {
  for (let time = 0; time < times; time += 1) {
    start(loan, minuteMs, pauseMaxMs, item);
    complete(loan, 40 * secondMs, 12 * minuteMs, item);
  }
}

const leads = 'W_Afhandelen leads';
const filling = 'W_Completeren aanvraag';
const calling = 'W_Nabellen offertes';
const chasing = 'W_Nabellen incomplete dossiers';
const assessing = 'W_Valideren aanvraag';
const fraud = 'W_Beoordelen fraude';

// The process, stage by stage.

function submitted(loan) {
  after(loan, 0, 0, 'A_SUBMITTED');
  after(loan, 120, chance(0.9) ? 620 : 1_700, 'A_PARTLYSUBMITTED');
}

function declinedAtOnce(loan) {
  const path = weighted([
    [58, 'by rule'],
    [39, 'by lead desk'],
    [3, 'by fraud desk'],
  ]);
  if (path === 'by rule') return after(loan, 30 * secondMs, 45 * secondMs, 'A_DECLINED');
  const item = path === 'by lead desk' ? leads : fraud;
  schedule(loan, 10 * secondMs, 50 * secondMs, item);
  sessions(
    loan,
    item,
    weighted([
      [8, 0],
      [2, 1],
    ]),
    4 * hourMs,
  );
  start(loan, 3 * minuteMs, 5 * hourMs, item);
  after(loan, minuteMs, 4 * minuteMs, 'A_DECLINED');
  complete(loan, 2_900, 4_200, item);
}

function preaccepted(loan) {
  if (chance(0.67)) {
    after(loan, 34 * secondMs, 46 * secondMs, 'A_PREACCEPTED');
    schedule(loan, 150, 1_100, filling);
    return;
  }
  schedule(loan, 10 * secondMs, 50 * secondMs, leads);
  sessions(
    loan,
    leads,
    weighted([
      [8, 0],
      [2, 1],
    ]),
    3 * hourMs,
  );
  start(loan, 3 * minuteMs, 3 * hourMs, leads);
  after(loan, minuteMs, 3 * minuteMs, 'A_PREACCEPTED');
  schedule(loan, 150, 700, filling);
  complete(loan, 500, 1_500, leads);
}

function fillingIn(loan) {
  sessions(
    loan,
    filling,
    weighted([
      [4, 0],
      [4, 1],
      [3, 2],
      [2, 4],
    ]),
    9 * hourMs,
  );
  start(loan, 5 * minuteMs, 20 * hourMs, filling);
}

function endedWhileFillingIn(loan, outcome) {
  fillingIn(loan);
  if (outcome === 'A_CANCELLED' && chance(0.4)) return expired(loan, filling, ['A_CANCELLED']);
  after(loan, 4 * minuteMs, 11 * minuteMs, outcome);
  complete(loan, outcome === 'A_DECLINED' ? 3_000 : 700, 4_100, filling);
}

function accepted(loan) {
  fillingIn(loan);
  after(loan, 4 * minuteMs, 9 * minuteMs, 'A_ACCEPTED');
}

function firstOffer(loan) {
  atOnce(loan, 110 * secondMs, 275 * secondMs, ['O_SELECTED', 'A_FINALIZED']);
  offerMade(loan, calling);
  complete(loan, 1_100, 1_900, filling);
}

function offerMade(loan, item) {
  after(loan, chance(0.2) ? 650 : 1_010, 1_560, 'O_CREATED');
  after(loan, 20, 60, 'O_SENT');
  schedule(loan, 90, 310, item);
}

/** In a talk on the phone the customer asks for another offer, mostly in place of the one that is open. */
function anotherOffer(loan) {
  sessions(loan, calling, between(0, 2), 2 * dayMs);
  start(loan, hourMs, 3 * dayMs, calling);
  if (chance(0.85)) {
    atOnce(loan, 30 * secondMs, 220 * secondMs, ['O_CANCELLED', 'O_SELECTED']);
    offerMade(loan, calling);
  } else {
    after(loan, 30 * secondMs, 220 * secondMs, 'O_SELECTED');
    offerMade(loan, calling);
    after(loan, 15 * secondMs, 90 * secondMs, 'O_CANCELLED');
  }
  complete(loan, 1_050, 1_900, calling);
}

function offers(loan) {
  firstOffer(loan);
  const replaced = weighted([
    [72, 0],
    [18, 1],
    [8, 2],
    [2, 3],
  ]);
  for (let time = 0; time < replaced; time += 1) anotherOffer(loan);
  sessions(loan, calling, between(1, 5), 4 * dayMs);
}

function sentBack(loan) {
  start(loan, hourMs, 5 * dayMs, calling);
  after(loan, 8 * secondMs, 50 * secondMs, 'O_SENT_BACK');
  schedule(loan, 140, 400, assessing);
  complete(loan, 1_150, 1_950, calling);
}

/** Validation; when papers are missing, somebody asks for them and validation is scheduled once more. */
function validation(loan, papersMissing) {
  start(loan, dayMs, 4 * dayMs, assessing);
  if (!papersMissing) return;
  schedule(loan, 4 * minuteMs, 20 * minuteMs, chasing);
  complete(loan, 900, 2_600, assessing);
  sessions(loan, chasing, between(1, 6), 2 * dayMs);
  start(loan, hourMs, 2 * dayMs, chasing);
  schedule(loan, 5 * secondMs, 50 * secondMs, assessing);
  complete(loan, 900, 2_100, chasing);
  start(loan, 20 * minuteMs, dayMs, assessing);
}

function approved(loan, offerForgotten) {
  sentBack(loan);
  validation(loan, chance(0.5));
  const granted = ['A_REGISTERED', 'A_APPROVED', 'A_ACTIVATED'];
  if (offerForgotten) atOnce(loan, 5 * minuteMs, 22 * minuteMs, granted);
  else if (chance(0.5)) {
    after(loan, 5 * minuteMs, 22 * minuteMs, 'O_ACCEPTED');
    atOnce(loan, 0, 12, granted);
  } else atOnce(loan, 5 * minuteMs, 22 * minuteMs, ['O_ACCEPTED', ...granted]);
  complete(loan, 6_800, 8_600, assessing);
  if (chance(0.03)) schedule(loan, dayMs, 9 * dayMs, 'W_Wijzigen contractgegevens');
}

function declinedWithOffer(loan) {
  const item = chance(0.94) ? assessing : calling;
  if (item === assessing) {
    sentBack(loan);
    validation(loan, chance(0.28));
  } else start(loan, hourMs, 5 * dayMs, calling);
  atOnce(loan, 5 * minuteMs, 20 * minuteMs, ['O_DECLINED', 'A_DECLINED']);
  complete(loan, 2_800, 4_300, item);
}

function cancelledWithOffer(loan) {
  if (chance(0.09)) {
    sentBack(loan);
    sessions(loan, assessing, 1, 3 * dayMs);
  }
  start(loan, hourMs, 6 * dayMs, calling);
  if (chance(0.35)) return expired(loan, calling, ['A_CANCELLED', 'O_CANCELLED']);
  atOnce(loan, 40 * secondMs, 230 * secondMs, ['A_CANCELLED', 'O_CANCELLED']);
  complete(loan, chance(0.15) ? 300 : 1_100, 2_900, calling);
}

/** A deadline passes: the system closes the work item and the case in the same moment. */
function expired(loan, item, events) {
  complete(loan, 20 * dayMs, 31 * dayMs, item);
  loan.resource = 'web';
  atOnce(loan, 0, 15, events);
}

// What becomes of a case is drawn beforehand, so that the shares come out as in a real bank.

function fates() {
  const count = (share) => Math.round(share * caseCount);
  const approvedCount = count(0.18);
  const cancelledCount = count(0.22);
  return shuffled([
    ...Array(approvedCount).fill('A_APPROVED'),
    ...Array(cancelledCount).fill('A_CANCELLED'),
    ...Array(caseCount - approvedCount - cancelledCount).fill('A_DECLINED'),
  ]);
}

function stageReached(outcome) {
  if (outcome === 'A_APPROVED') return 'offer';
  return outcome === 'A_DECLINED'
    ? weighted([
        [73, 'submitted'],
        [13, 'preaccepted'],
        [1, 'accepted'],
        [13, 'offer'],
      ])
    : weighted([
        [36, 'preaccepted'],
        [3, 'accepted'],
        [61, 'offer'],
      ]);
}

function runCase(startMs, outcome, offerForgotten) {
  const loan = openCase(startMs);
  const stage = stageReached(outcome);
  submitted(loan);
  if (stage === 'submitted') {
    declinedAtOnce(loan);
    return loan;
  }
  preaccepted(loan);
  if (stage === 'preaccepted') {
    endedWhileFillingIn(loan, outcome);
    return loan;
  }
  accepted(loan);
  if (stage === 'accepted') {
    complete(loan, minuteMs, 5 * minuteMs, filling);
    endedWhileFillingIn(loan, outcome);
    return loan;
  }
  offers(loan);
  if (outcome === 'A_APPROVED') approved(loan, offerForgotten);
  else if (outcome === 'A_DECLINED') declinedWithOffer(loan);
  else cancelledWithOffer(loan);
  return loan;
}

function makeCases() {
  const outcomes = fates();
  // One approved case in which an offer stays open to the end: real logs have such cases, and readers must bear them.
  const forgotten = outcomes.lastIndexOf('A_APPROVED');
  let startMs = Date.UTC(2024, 0, 8, 6, 0, 0);
  return outcomes.map((outcome, index) => {
    startMs += between(5 * minuteMs, 5 * hourMs) + between(0, 999);
    return runCase(startMs, outcome, index === forgotten);
  });
}

// The XML.

const zoneMs = hourMs;
const timeText = (timeMs) => new Date(timeMs + zoneMs).toISOString().replace('Z', '+01:00');
const text = (key, value) => `<string key="${key}" value="${value}"/>`;

function eventXml({ name, transition, timeMs, resource }) {
  return [
    '\t\t<event>',
    ...(resource === undefined ? [] : [`\t\t\t${text('org:resource', resource)}`]),
    `\t\t\t${text('lifecycle:transition', transition)}`,
    `\t\t\t${text('concept:name', name)}`,
    `\t\t\t<date key="time:timestamp" value="${timeText(timeMs)}"/>`,
    '\t\t</event>',
  ];
}

function caseXml({ amount, events }, index) {
  return [
    '\t<trace>',
    `\t\t${text('concept:name', `sample-${String(index + 1).padStart(4, '0')}`)}`,
    `\t\t<date key="REG_DATE" value="${timeText(events[0].timeMs)}"/>`,
    `\t\t<int key="AMOUNT_REQ" value="${amount}"/>`,
    ...events.flatMap(eventXml),
    '\t</trace>',
  ];
}

function logXml(cases) {
  const extensions = ['Concept', 'Lifecycle', 'Organizational', 'Time'].map((name, index) => {
    const prefix = ['concept', 'lifecycle', 'org', 'time'][index];
    return `\t<extension name="${name}" prefix="${prefix}" uri="http://www.xes-standard.org/${prefix}.xesext"/>`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!-- Invented: no person, bank or loan stands behind any of it. -->',
    '<log xes.version="1849.2016" xes.features="nested-attributes" xmlns="http://www.xes-standard.org/">',
    ...extensions,
    '\t<global scope="trace">',
    `\t\t${text('concept:name', 'unknown')}`,
    '\t</global>',
    '\t<classifier name="Activity" keys="concept:name lifecycle:transition"/>',
    ...cases.flatMap(caseXml),
    '</log>',
    '',
  ].join('\n');
}

const xml = logXml(makeCases());
if (process.argv.includes('--print')) {
  process.stdout.write(xml);
} else {
  const packed = gzipSync(xml, { level: 9 });
  // The header names the operating system that packed; 255 is "unknown", so that every machine writes the same.
  packed[9] = 255;
  writeFileSync(target, packed);
  process.stderr.write(`${target}: ${caseCount} cases, ${packed.length} bytes\n`);
}

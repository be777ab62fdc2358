/**
 * The concurrent part of the store contract many times in a row on warmed stores: what races once in thirty runs is found. Where
 * only one process has the store, its calls meet in one order, and fewer runs say as much.
 */
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { eventStoreConcurrencyContract } from '../../src/testing/contract.js';
import { allSubjects } from '../support/subjects.js';

for (const subject of allSubjects) {
  const repeat = subject.lacks?.multiProcess === undefined ? 50 : 15;
  eventStoreConcurrencyContract(subject, { describe, it, beforeAll, afterAll }, repeat);
}

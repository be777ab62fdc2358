/** The concurrent part of the store contract, 50 times in a row on warmed stores: what races once in thirty runs is found. */
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { eventStoreConcurrencyContract } from '../../src/testing/contract.js';
import { allSubjects } from '../support/subjects.js';

for (const subject of allSubjects)
  eventStoreConcurrencyContract(subject, { describe, it, beforeAll, afterAll }, 50);

/** The memory store keeps the store contract. */
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { eventStoreContract } from '../../src/testing/contract.js';
import { memorySubject } from '../support/subjects.js';

eventStoreContract(memorySubject, { describe, it, beforeAll, afterAll });

/** The store on PGlite keeps the store contract. */
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { eventStoreContract } from '../../src/testing/contract.js';
import { pgliteSubject } from '../support/subjects.js';

eventStoreContract(pgliteSubject, { describe, it, beforeAll, afterAll });

/** The store on PostgreSQL keeps the store contract. */
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { eventStoreContract } from '../../src/testing/contract.js';
import { postgresSubject } from '../support/subjects.js';

eventStoreContract(postgresSubject, { describe, it, beforeAll, afterAll });

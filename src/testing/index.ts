/** What users import in their tests. */
export {
  type ContractRunner,
  type ContractSubject,
  eventStoreConcurrencyContract,
  eventStoreContract,
  type OpenedStore,
} from './contract.js';

import kafkajs from 'kafkajs';

/**
 * kafkajs is CommonJS and Node finds only some of its names in an `import { … }`: with the others a built service would
 * not start, although the type checker and vitest are content. Everything that is a value is imported from here.
 */
export const { AssignerProtocol, CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = kafkajs;

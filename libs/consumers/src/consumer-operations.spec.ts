import { ConsumerPaused, ConsumerReplayed, ConsumerResumed, DeadLetterDiscarded, DeadLetterReplayed } from '@sandlot/contracts';
import { given } from '@sandlot/testing';
import { consumerOperations } from './consumer-operations.js';

const until = '2026-11-21T12:00:00.000Z';
const consumer = given(consumerOperations);

describe('what operators do to a consumer', () => {
  it('is recorded once', () => {
    consumer().when({ type: 'Pause', until }).then(ConsumerPaused({ until }));
    consumer(ConsumerPaused({ until })).when({ type: 'Pause', until }).thenNothing();
    consumer(ConsumerPaused({ until })).when({ type: 'Resume' }).then(ConsumerResumed({}));
    consumer(ConsumerPaused({ until }), ConsumerResumed({})).when({ type: 'Resume' }).thenNothing();
  });

  it('can be a replay any number of times', () => {
    consumer(ConsumerReplayed({ fromPosition: 1 }))
      .when({ type: 'Replay', fromPosition: 1 })
      .then(ConsumerReplayed({ fromPosition: 1 }));
  });

  it('settles a dead letter one way only', () => {
    const letter = { deadLetter: 7, position: 3 };
    consumer()
      .when({ type: 'SettleDeadLetter', by: 'replaying', ...letter })
      .then(DeadLetterReplayed(letter));
    consumer()
      .when({ type: 'SettleDeadLetter', by: 'discarding', ...letter })
      .then(DeadLetterDiscarded(letter));
    consumer(DeadLetterReplayed(letter))
      .when({ type: 'SettleDeadLetter', by: 'discarding', ...letter })
      .thenNothing();
  });
});

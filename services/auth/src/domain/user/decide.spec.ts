import {
  UserCreated,
  UserDeleted,
  UserDisabled,
  UserEnabled,
  UserForgotten,
  UserLimitsChanged,
  UserProfileChanged,
  UserRoleChanged,
} from '@sandlot/contracts';
import { given } from '@sandlot/testing';
import { userDecider } from './decide.js';

const personal = { email: 's1.abc', displayName: null };
const created = UserCreated({ username: 'alice', role: 'user', personal });
const bootstrap = UserCreated({ username: 'admin', role: 'admin', personal: { email: null, displayName: null } });
const user = given(userDecider);

describe('a user', () => {
  it('S0-14 is created with a role and sealed personal data', () =>
    user().when({ type: 'CreateUser', username: 'alice', role: 'user', personal }).then(created));

  it('is created once', () =>
    user(created).when({ type: 'CreateUser', username: 'alice', role: 'user', personal }).thenRefused('USERNAME_TAKEN'));

  it('S0-17 changes only in what is different', () => {
    const changed = { email: 's1.def', displayName: null };
    user(created)
      .when({ type: 'ChangeUser', changes: { personal: changed, role: 'admin', status: 'disabled' } })
      .then(UserProfileChanged({ personal: changed }), UserRoleChanged({ role: 'admin' }), UserDisabled({}));
    user(created)
      .when({ type: 'ChangeUser', changes: { personal, role: 'user', status: 'active' } })
      .thenNothing();
    user(created, UserDisabled({}))
      .when({ type: 'ChangeUser', changes: { status: 'active' } })
      .then(UserEnabled({}));
  });

  it('S1-27 has limits of its own, all of which are set at once, and only when they are different', () => {
    const limits = { requestsPerSecond: 50, connections: 0 };
    user(created).when({ type: 'SetLimits', limits }).then(UserLimitsChanged({ limits }));
    user(created, UserLimitsChanged({ limits })).when({ type: 'SetLimits', limits }).thenNothing();
    user(created, UserLimitsChanged({ limits }))
      .when({ type: 'SetLimits', limits: {} })
      .then(UserLimitsChanged({ limits: {} }));
    user(created).when({ type: 'SetLimits', limits: {} }).thenNothing();
    user(created, UserDeleted({})).when({ type: 'SetLimits', limits }).thenRefused('USER_DELETED');
    user().when({ type: 'SetLimits', limits }).thenRefused('USER_NOT_FOUND');
  });

  it('S0-18 is deleted from every state, once', () => {
    user(created).when({ type: 'DeleteUser' }).then(UserDeleted({}));
    user(created, UserDisabled({})).when({ type: 'DeleteUser' }).then(UserDeleted({}));
    user(created, UserDeleted({})).when({ type: 'DeleteUser' }).thenNothing();
    user().when({ type: 'DeleteUser' }).thenRefused('USER_NOT_FOUND');
  });

  it('stays deleted', () =>
    user(created, UserDeleted({}))
      .when({ type: 'ChangeUser', changes: { status: 'active' } })
      .thenRefused('USER_DELETED'));

  it('is forgotten once, and deleted by it when it was not', () => {
    user(created).when({ type: 'ForgetUser' }).then(UserDeleted({}), UserForgotten({}));
    user(created, UserDeleted({})).when({ type: 'ForgetUser' }).then(UserForgotten({}));
    user(created, UserDeleted({}), UserForgotten({})).when({ type: 'ForgetUser' }).thenNothing();
  });

  it('keeps nothing personal once it is forgotten', () => {
    const state = [created, UserDeleted({}), UserForgotten({})].reduce(userDecider.evolve, userDecider.initialState);
    expect(state).toMatchObject({ status: 'deleted', personal: { email: null, displayName: null } });
  });

  it('S0-05 who holds the key of last resort can be neither deleted, disabled nor demoted', () => {
    user(bootstrap).when({ type: 'DeleteUser' }).thenRefused('LAST_ADMIN');
    user(bootstrap).when({ type: 'ForgetUser' }).thenRefused('LAST_ADMIN');
    user(bootstrap)
      .when({ type: 'ChangeUser', changes: { status: 'disabled' } })
      .thenRefused('LAST_ADMIN');
    user(bootstrap)
      .when({ type: 'ChangeUser', changes: { role: 'user' } })
      .thenRefused('LAST_ADMIN');
  });
});

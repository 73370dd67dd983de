export { adminConfig } from './config.js';
export { addMasterKey } from './keys/key-file.js';
export { onDisk } from './nats.js';
export { runAdmin } from './program.js';
export { takeBackup, type BackupOptions } from './backup/take.js';
export { restoreBackup, type RestoreOptions } from './backup/restore.js';
export { FolderStore } from './backup/folder-store.js';

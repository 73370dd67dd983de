// CommonJS plugins of Nest require() its ESM-only packages; jest refuses that while a spec's module graph is still
// linking ("Cannot require() ES Module in a cycle"), so these are evaluated first.
import 'reflect-metadata';
import '@nestjs/common';
import '@nestjs/core';

"""The wheels: `make wheels` builds those of this machine and tests them without a compiler."""

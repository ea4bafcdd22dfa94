"""Appraisal: quarters that are closed stay as they were paid on."""
